# SPDX-License-Identifier: LGPL-2.1-or-later
"""A headless Chromium for tests, by selenium; both from Debian (group browser of .ci/packages)."""

import contextlib
import shutil

import pytest

with contextlib.suppress(ImportError):
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

MISSING = [name for name in ("chromium", "chromedriver") if not shutil.which(name)] + [
    "python3-selenium" for _ in range(1) if "webdriver" not in globals()]
needs_browser = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (group browser of .ci/packages)")


class Browser:
    def __init__(self):
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        # Its own sandbox cannot be had by root; /dev/shm is small in containers.
        for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                     "--force-device-scale-factor=1", "--lang=en-GB"):
            options.add_argument(word)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)

    def look(self, width=1440, height=1000, scheme="light") -> None:
        self._tell("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self._tell("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)

    def run(self, script: str):
        return self.driver.execute_script(script)

    def text(self, selector: str) -> str:
        return self.run(f"return document.querySelector({selector!r})?.innerText ?? ''")

    def complaints(self) -> list[str]:
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def _tell(self, command, **arguments):
        self.driver.execute_cdp_cmd(command, arguments)


@contextlib.contextmanager
def browser():
    opened = Browser()
    try:
        yield opened
    finally:
        opened.driver.quit()

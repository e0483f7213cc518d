// SPDX-License-Identifier: LGPL-2.1-or-later
// The list of versions in the navigation. One file for all snapshots, which are frozen: an old one offers the newer ones as well.
'use strict';
{
  const versions = ['VERSIONS'];
  const root = new URL('.', document.currentScript.src);
  const [here, ...page] = location.href.slice(root.href.length).split('/');
  const picker = document.createElement('select');
  picker.id = 'versions';
  picker.setAttribute('aria-label', 'Version of this documentation');
  for (const version of versions) {
    const newest = version === versions[0];
    picker.add(new Option(newest ? `${version} (latest)` : version, version, false, version === here || (newest && here === 'latest')));
  }
  picker.onchange = async () => {
    const same = new URL([picker.value, ...page].join('/'), root);
    // The other version may not have this page. Files have no answer to ask for.
    const there = location.protocol === 'file:' || (await fetch(same, {method: 'HEAD'})).ok;
    location = there ? same : new URL(`${picker.value}/index.html`, root);
  };
  document.querySelector('.navbar-brand').after(picker);
}

# SPDX-License-Identifier: LGPL-2.1-or-later
"""Checks that a file is what COCO's tools expect of a data set with boxes: keys, types, ids that are unique and lead somewhere."""

NEEDED = {
    "info": {"description": str, "version": str, "year": int, "contributor": str, "date_created": str},
    "videos": {"id": int, "name": str, "width": int, "height": int},
    "images": {"id": int, "file_name": str, "width": int, "height": int, "date_captured": str, "video_id": int, "frame_id": int},
    "annotations": {"id": int, "image_id": int, "category_id": int, "bbox": list, "area": (int, float), "iscrowd": int,
                    "segmentation": list},
    "categories": {"id": int, "name": str, "supercategory": str},
}


def check(content):
    assert set(content) == {"licenses", *NEEDED}
    for name, fields in NEEDED.items():
        for entry in content[name] if isinstance(content[name], list) else [content[name]]:
            for key, kind in fields.items():
                assert isinstance(entry[key], kind) and not isinstance(entry[key], bool), (name, key, entry)
    ids = {name: [entry["id"] for entry in content[name]] for name in ("videos", "images", "annotations", "categories")}
    for name, numbers in ids.items():
        assert len(numbers) == len(set(numbers)), name
        assert all(number > 0 for number in numbers)
    assert len({entry["name"] for entry in content["categories"]}) == len(content["categories"])
    images = {image["id"]: image for image in content["images"]}
    assert all(image["video_id"] in ids["videos"] for image in content["images"])
    for one in content["annotations"]:
        image, (left, top, width, height) = images[one["image_id"]], one["bbox"]
        assert one["category_id"] in ids["categories"] and one["iscrowd"] == 0
        assert 0 <= left <= left + width <= image["width"] and 0 <= top <= top + height <= image["height"]
        assert abs(one["area"] - width * height) < 0.02 * max(1, width, height)


def found(content):
    """{number of the frame in the ring: [(label, box)]} of the images."""
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    result = {image["id"]: [] for image in content["images"]}
    for one in content["annotations"]:
        result[one["image_id"]].append((names[one["category_id"]], *one["bbox"]))
    return {image["seq"]: result[image["id"]] for image in content["images"]}

"""Which folders are the classes, which are the sides, and which are neither.

Understood are `<class>/<image>`, with folders of images in a class; the same in
`train/ val/ test/`, or with the sides in each class; all of that one folder or more further down;
and copies of the whole beside itself, as archives of Kaggle hold them.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from leafgate.class_names import class_name
from leafgate.errors import UserError
from leafgate.file_names import path_text
from leafgate.manifest import SIDES, Side
from leafgate.wording import counted
from training.data.copied_folders import content, entry_of, left_as_copies, named_copies
from training.data.folder_tree import (
    Folder,
    LeftOut,
    holds_documents,
    labels_unread,
    no_images,
    read_tree,
)
from training.data.masks import MASK_FOLDER, is_mask_folder
from training.data.side_names import side_of

IMAGE_WORDS = frozenset({"images", "image", "imgs", "img", "photos", "pictures", "original"})
READ_FROM = "the images are read from"
EMPTY = "holds no image"
FLAT = "images without class folders: their classes are unknown"


@dataclass(frozen=True)
class ClassFolder:
    """Files of one class. place: relative to the data folder; side: where it is given."""

    place: str
    name: str
    side: Side | None
    files: tuple[Path, ...]


@dataclass
class Layout:
    """What is read, what is not, and what a person is to know. sides: the folders of each."""

    folders: list[ClassFolder] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sides: dict[Side, list[str]] = field(default_factory=dict)

    @property
    def files(self) -> int:
        """How many files will be read."""
        return sum(len(folder.files) for folder in self.folders)


def find_layout(root: Path, classes_needed: bool = True) -> Layout:
    """Read the folders below `root`.

    classes_needed: False takes any folder of images: where there are no two class folders, all
    images are one class with the name of the folder. Raises UserError where no images are found, or
    no classes where they are needed.
    """
    tree = read_tree(root)
    if not tree.all_images and not (classes_needed and tree.folders):
        raise UserError(*no_images(tree))
    try:
        found = _find(tree, classes_needed)
    except UserError:
        if classes_needed or not tree.all_images:
            raise
        found = None
    if found is None or (not classes_needed and len(_names(found)) < 2 and not found.sides):
        found = _one_class(tree, found)
    found.left_out += [item for folder in tree.walk() for item in folder.left_out]
    linked = sum(folder.linked for folder in tree.walk())
    if linked:
        found.notes.append(f"links to files outside of {path_text(root)}: {linked:,}")
    if classes_needed and len(_names(found)) < 2:
        raise UserError(
            f"only one class folder in {path_text(root)}: {', '.join(_names(found))}",
            "a classifier, or family=conditional, needs two classes or more: add the folder of "
            "another, or give the folder above; the other generators need no classes"
            f"{labels_unread(tree)}",
        )
    return found


def _names(layout: Layout) -> set[str]:
    return {class_name(folder.name) for folder in layout.folders}


def _one_class(tree: Folder, found: Layout | None) -> Layout:
    name = _own_name(tree)
    if found and found.folders:
        name = found.folders[0].name
    note = f"no classes in {path_text(tree.path)}: all its images are learnt as one, {name!r}"
    return Layout([ClassFolder("", name, None, tuple(tree.all_files))], [], [note])


def _own_name(tree: Folder) -> str:
    return path_text(tree.path.resolve().name) or "images"


def _find(tree: Folder, strict: bool) -> Layout:
    """strict: an empty class folder is an error."""
    return (
        _split_above_classes(tree)
        or _split_below_classes(tree)
        or _split_without_classes(tree, strict)
        or _further_down(tree, strict)
        or _beside_loose_folders(tree, strict)
        or _classes(tree, strict)
    )


# -- Folders that are split already
def _split_above_classes(tree: Folder) -> Layout | None:
    """`train/<class>/<image>`."""
    named = [(side_of(folder.name), folder) for folder in tree.filled]
    labelled = [(side, top, _class_parent(top)) for side, top in named if side]
    found = [(side, top, parent) for side, top, parent in labelled if parent is not None]
    copies = named_copies([top for _, top, _ in found])
    found = [each for each in found if each[1].place not in copies]
    sides = {side for side, _, _ in found}
    flat = [top for side, top, parent in labelled if parent is None]
    others = [folder for side, folder in named if side is None]
    if not sides or (len(sides) == 1 and ("train" not in sides or not flat)):
        return None
    layout = Layout(left_out=[folder.leave(FLAT) for folder in flat])
    layout.left_out += _beside(others, [top for _, top, _ in found])
    layout.left_out += left_as_copies(tree, copies)
    layout.left_out += _empty(tree)
    layout.left_out += _loose(tree, "files beside the folders of the sides")
    for side, top, parent in found:
        given = side if len(sides) > 1 else None
        inside = _classes(parent, strict=False, side=given)
        layout.folders += inside.folders
        layout.left_out += inside.left_out
        layout.notes += inside.notes
        if given:
            layout.sides.setdefault(side, []).append(top.place)
    layout.sides = _in_order(layout.sides)
    return layout


def _beside(others: Sequence[Folder], sides: Sequence[Folder]) -> list[LeftOut]:
    """Folders that lie beside those of the sides."""
    names = ", ".join(path_text(side.name) for side in sides)
    known = {entry for side in sides for entry in content(side)}
    return [
        folder.leave(
            f"a copy of the folders {names}"
            if content(folder) <= known
            else f"beside the folders {names}: its side is unknown"
        )
        for folder in others
    ]


def _class_parent(top: Folder) -> Folder | None:
    """Where a side's class folders lie: in it, or further down. None: it has none."""
    here = _wrapped(top)
    inner = here.filled
    if not inner or (len(inner) == 1 and inner[0].images and side_of(inner[0].name)):
        return None
    return here


def _split_below_classes(tree: Folder) -> Layout | None:
    """`<class>/train/<image>`."""
    classes = tree.filled
    inner = [folder for top in classes for folder in top.filled]
    plain = all(not top.images for top in classes) and all(folder.images for folder in inner)
    sides = {side_of(folder.name) for folder in inner}
    if not plain or None in sides or len(sides) < 2 or len(classes) < 2:
        return None
    layout = Layout(left_out=_loose(tree, "files beside the class folders"))
    for top in classes:
        for folder in top.filled:
            side = side_of(folder.name)
            assert side is not None  # noqa: S101 - by the check above
            layout.folders.append(
                ClassFolder(folder.place, top.name, side, tuple(folder.all_files))
            )
            known = layout.sides.setdefault(side, [])
            if f"<class>/{folder.name}" not in known:
                known.append(f"<class>/{folder.name}")
    layout.sides = _in_order(layout.sides)
    return layout


def _split_without_classes(tree: Folder, strict: bool) -> Layout | None:
    """`train/<image>`. Raises UserError where classes are needed."""
    named = [(side_of(folder.name), folder) for folder in tree.filled]
    sides = {side for side, _ in named}
    if None in sides or len(sides) < 2 or "train" not in sides:
        return None
    names = " and ".join(f"{path_text(folder.name)}/" for _, folder in named)
    if strict:
        raise UserError(
            f"{path_text(tree.path)} has {names} without class folders in them",
            "put the images of each class into a folder of its own, as in train/<class>/<image>; "
            f"generators need no classes, except family=conditional{labels_unread(tree)}",
        )
    layout = Layout(left_out=_loose(tree, "files beside the folders of the sides"))
    layout.notes.append(f"no classes in {names}: all images are learnt as one class")
    for side, folder in named:
        assert side is not None  # noqa: S101 - by the check above
        files = tuple(folder.all_files)
        layout.folders.append(ClassFolder(folder.place, _own_name(tree), side, files))
        layout.sides.setdefault(side, []).append(folder.place)
    layout.sides = _in_order(layout.sides)
    return layout


def _in_order(sides: dict[Side, list[str]]) -> dict[Side, list[str]]:
    return {side: sides[side] for side in SIDES if side in sides}


# -- One folder or more in which the data set lies


def _further_down(tree: Folder, strict: bool) -> Layout | None:
    """Read the one folder that holds the data set, or the fullest of several copies.

    None where a folder here holds images itself, or each is a class with one folder of images.
    """
    filled = tree.filled
    if not filled or any(folder.images for folder in filled):
        return None
    flat = [folder for folder in filled if side_of(folder.name) and not _class_parent(folder)]
    masks = [folder for folder in filled if _holds_masks(folder, filled)]
    rest = [folder for folder in filled if folder not in (*flat, *masks)]
    if not rest or (len(rest) > 1 and all(map(_has_folder_of_images, rest))):
        return None
    chosen, copies = _one_of_copies(tree, rest)
    layout = _find(chosen, strict)
    if not any(note.startswith(READ_FROM) for note in layout.notes):
        layout.notes.insert(0, f"{READ_FROM} {path_text(chosen.place)}/")
    layout.left_out += [folder.leave(FLAT) for folder in flat]
    layout.left_out += [folder.leave(MASK_FOLDER) for folder in masks]
    layout.left_out += [copy.leave(f"a copy of {path_text(chosen.place)}/") for copy in copies]
    layout.left_out += _empty(tree)
    layout.left_out += _loose(tree, f"files beside {path_text(chosen.place)}/")
    return layout


def _beside_loose_folders(tree: Folder, strict: bool) -> Layout | None:
    """Folders of sides with classes lie in one folder; the others hold images, but no classes."""
    deep = [folder for folder in tree.filled if not folder.images]
    if len(deep) != 1 or deep == tree.filled:
        return None
    layout = _split_above_classes(_wrapped(deep[0]))
    if layout is None or not layout.sides:
        return None
    layout.notes.insert(0, f"{READ_FROM} {path_text(deep[0].place)}/")
    layout.left_out += [folder.leave(FLAT) for folder in tree.filled if folder is not deep[0]]
    layout.left_out += _empty(tree)
    layout.left_out += _loose(tree, f"files beside {path_text(deep[0].place)}/")
    return layout


def _one_of_copies(tree: Folder, folders: Sequence[Folder]) -> tuple[Folder, list[Folder]]:
    """The folder that holds all that the others hold. Raises UserError where there is none."""
    chosen = max(folders, key=lambda folder: len(content(folder)))
    whole = content(chosen)
    if any(content(folder) - whole for folder in folders):
        names = ", ".join(path_text(folder.place) for folder in folders[:8])
        first = path_text(folders[0].path)
        raise UserError(
            f"{path_text(tree.path)} holds {len(folders)} folders that have folders of images in "
            f"them ({names}): these are several data sets, or classes whose images lie deeper",
            f"give one of them, as in --data {first}; or put the images of a class straight into "
            "its folder",
        )
    return chosen, [folder for folder in folders if folder is not chosen]


def _holds_masks(folder: Folder, beside: Sequence[Folder], may_be_class: bool = False) -> bool:
    others = (file for each in beside if each is not folder for file in each.all_images)
    return is_mask_folder(folder.name, folder.all_images, others, may_be_class)


def _has_folder_of_images(top: Folder) -> bool:
    """`<class>/images/<image>`, with masks beside or without."""
    inner = [folder for folder in top.filled if not _holds_masks(folder, top.filled)]
    return len(inner) == 1 and bool(inner[0].images) and _plain(inner[0].name) in IMAGE_WORDS


# -- Class folders


def _classes(tree: Folder, strict: bool, side: Side | None = None) -> Layout:
    """The folders in `tree`, a class each."""
    if not tree.folders:
        raise UserError(
            f"no class folders in {path_text(tree.path)}, but {counted(len(tree.images), 'image')}",
            "put the images of each class into a folder of its own, as in "
            f"{path_text(tree.path)}/<class>/<image>; generators need no classes, except "
            f"family=conditional{labels_unread(tree)}",
        )
    names = {_plain(folder.name) for folder in tree.folders if folder.images}
    copies = named_copies(tree.filled)
    layout = Layout(left_out=_loose(tree, "files beside the class folders"))
    layout.left_out += left_as_copies(tree, copies)
    for folder in tree.folders:
        if folder.place in copies:
            continue
        inner = {_plain(each.name) for each in _wrapped(folder).filled}
        if not folder.images and len(inner & names) * 2 >= max(len(inner), 1) and inner:
            layout.left_out.append(_nested_copy(folder, tree))
        elif folder.images and _holds_masks(folder, tree.folders, may_be_class=True):
            layout.left_out.append(folder.leave(MASK_FOLDER))
        elif folder.all_images or (strict and not holds_documents(folder)):
            layout.folders.append(_class(folder, side, names, layout))
        else:
            layout.left_out.append(folder.leave(EMPTY))
    return layout


def _wrapped(folder: Folder) -> Folder:
    """The folder in which it branches."""
    while not folder.images and len(folder.filled) == 1 and not folder.filled[0].images:
        folder = folder.filled[0]
    return folder


def _plain(name: str) -> str:
    return class_name(name).casefold()


def _nested_copy(folder: Folder, tree: Folder) -> LeftOut:
    beside = {
        entry_of(file) for other in tree.folders if other is not folder for file in other.all_images
    }
    images = folder.all_images
    new = sum(entry_of(file) not in beside for file in images)
    if not new:
        return folder.leave("a copy of the class folders beside it")
    return folder.leave(
        f"the class folders beside it again, with {counted(new, 'image')} that they lack (of "
        f"{len(images):,}); what is to be used has to be moved there"
    )


def _class(top: Folder, side: Side | None, names: Iterable[str], layout: Layout) -> ClassFolder:
    """A class folder with the folders in it, apart from copies and what looks like other classes.

    What was found out goes into `layout`.
    """
    files, taken = list(top.files), Counter[str]()
    own = {(file.name, file.stat().st_size) for file in top.images}
    others = set(names) - {_plain(top.name)}
    for folder in top.folders:
        images = {(file.name, file.stat().st_size) for file in folder.all_images}
        if images and images <= own:
            layout.left_out.append(folder.leave("a copy of the images in the folder above"))
        elif is_mask_folder(folder.name, folder.all_images, _not_in(folder, top)):
            layout.left_out.append(folder.leave(MASK_FOLDER))
        elif _plain(folder.name) in others:
            layout.left_out.append(
                folder.leave(f"has the name of another class, inside class {path_text(top.name)}")
            )
        else:
            files += folder.all_files
            taken[path_text(folder.name)] += len(folder.all_images)
    if taken:
        shown = ", ".join(list(taken)[:5]) + (", …" if len(taken) > 5 else "")
        layout.notes.append(
            f"class {path_text(top.place)} includes {counted(taken.total(), 'image')} from "
            f"{counted(len(taken), 'subfolder')} ({shown})"
        )
    return ClassFolder(top.place, top.name, side, tuple(files))


def _not_in(folder: Folder, top: Folder) -> Iterator[Path]:
    """Images of `top` that are not in `folder`."""
    inside = set(folder.all_images)
    yield from (file for file in top.all_images if file not in inside)


def _empty(tree: Folder) -> list[LeftOut]:
    """Folders without an image, at whatever depth."""
    return [folder.leave(EMPTY) for folder in tree.folders if not folder.all_images]


def _loose(tree: Folder, reason: str) -> list[LeftOut]:
    """Files of a folder whose folders alone are read."""
    if not tree.files:
        return []
    images = len(tree.images)
    place = f"{path_text(tree.place)}/" if tree.place else ""
    shown = ", ".join(place + path_text(file.name) for file in tree.files[:3])
    shown += ", …" if len(tree.files) > 3 else ""
    told = f"{reason}; images among them: {images:,}" if images else reason
    return [LeftOut(shown, len(tree.files), told)]

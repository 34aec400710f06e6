"""A video's ancestors and extensions, as a tree with one line for each branch."""

from collections import defaultdict
from dataclasses import dataclass, field

from django.db import connection

from .generation import Generation

ABOVE, BELOW, SHOWN = 50, 100, 200

# Two queries for a tree of any shape, instead of one for each ancestor.
UP = """
    WITH RECURSIVE up(id, parent_id, step) AS (
        SELECT id, parent_id, 0 FROM videos_generation WHERE id = %s
        UNION ALL
        SELECT row.id, row.parent_id, up.step + 1 FROM videos_generation row
        JOIN up ON row.id = up.parent_id WHERE up.step < %s
    ) SELECT id FROM up ORDER BY step DESC
"""
DOWN = """
    WITH RECURSIVE down(id, step) AS (
        SELECT id, 0 FROM videos_generation WHERE id = %s
        UNION ALL
        SELECT row.id, down.step + 1 FROM videos_generation row
        JOIN down ON row.parent_id = down.id WHERE down.step < %s
    ) SELECT id FROM down LIMIT %s
"""
COLUMNS = (
    "uuid", "parent_id", "prompt", "state", "archive", "shape", "trashed_at", "purged_at", "duration", "take", "takes",
    "poster_color", "video_width", "video_height",
)  # fmt: skip


@dataclass
class Branch:
    """Videos in a row, each an extension of the one before; `lines` leads from `of` to the first, by column."""

    videos: list[Generation]
    lines: list[str]
    of: Generation | None = None


@dataclass
class Lineage:
    """`path`: from the first ancestor to the video itself. `branches`: the whole tree, the path's branch first."""

    path: list[Generation]
    branches: list[Branch] = field(default_factory=list)
    is_cut: bool = False

    @property
    def is_alone(self) -> bool:
        return len(self.branches) == 1 and len(self.branches[0].videos) == 1

    @classmethod
    def of(cls, generation: Generation) -> "Lineage":
        up = _up(generation)
        down = _ids(DOWN, up[0], BELOW, SHOWN)
        ids = {*up, *down}
        if is_cut := len(down) == SHOWN:
            # A large tree is cut, but always includes the extensions of this video.
            ids |= set(generation.children.order_by("-pk").values_list("pk", flat=True)[:ABOVE])
        rows = {row.pk: row for row in Generation.objects.filter(pk__in=ids).only(*COLUMNS)}
        path = [rows[pk] for pk in up if pk in rows]
        return cls(path, _branches(rows, path), is_cut)


def path_to(generation: Generation) -> list[Generation]:
    """Return the chain from the first ancestor to the video itself."""
    up = _up(generation)
    rows = Generation.objects.in_bulk(up)
    return [rows[pk] for pk in up if pk in rows]


def _up(generation: Generation) -> list[int]:
    return _ids(UP, generation.pk, ABOVE) if generation.parent_id else [generation.pk]


def _ids(sql: str, *values: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        return [pk for (pk,) in cursor.fetchall()]


def _branches(rows: dict[int, Generation], path: list[Generation]) -> list[Branch]:
    here = {row.pk for row in path}
    children: dict[int | None, list[Generation]] = defaultdict(list)
    # Children are younger than their parents. Show a trashed video only if another video extends it.
    for pk in sorted(rows, reverse=True):
        row = rows[pk]
        if row.trashed_at is None or children[pk] or pk in here:
            children[row.parent_id].append(row)
    for ones in children.values():
        ones.sort(key=lambda row: (row.pk not in here, row.pk))
    branches: list[tuple[int, Branch]] = []
    todo: list[tuple[int, Generation, Generation | None]] = [(0, path[0], None)]
    while todo:
        column, first, of = todo.pop()
        videos = [first]
        while children[videos[-1].pk]:
            videos.append(children[videos[-1].pk][0])
        branches.append((column, Branch(videos, [""] * column, of)))
        # `pop` takes from the end: the branches of the last video come directly below it, so that no lines cross.
        for number, video in enumerate(videos):
            todo += [(column + number + 1, child, video) for child in reversed(children[video.pk][1:])]
    _draw_lines(branches)
    return [branch for _, branch in branches]


def _draw_lines(branches: list[tuple[int, Branch]]) -> None:
    """Draw for each branch the corner that leads to it, and the line to that corner past the rows between."""
    row_of = {video.pk: number for number, (_, branch) in enumerate(branches) for video in branch.videos}
    for number, (column, branch) in enumerate(branches):
        if branch.of is None:
            continue
        for between in range(row_of[branch.of.pk] + 1, number):
            lines = branches[between][1].lines
            lines[column - 1] = "fork" if lines[column - 1] in ("end", "fork") else "past"
        branch.lines[column - 1] = "end"

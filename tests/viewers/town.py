"""A small town out of a seed: units, posts, who holds them, 兼務, 事務取扱, 併任, its 専決規程 and its file plan.

Written as the files that a city loads; and kept here as a table of who holds which post, for the model to look at.
"""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from services.approvals.organisation.tables import COLUMNS

SURNAMES = [
    "髙橋",
    "渡邉",
    "山﨑",
    "吉田",
    "神戸",
    "森",
    "𠮷川",
    "葛󠄀城",
    "辻󠄀",
    "濵田",
    "齋藤",
    "中村",
    "小林",
    "加藤",
    "山本",
    "松本",
    "井上",
    "木村",
    "林",
    "清水",
    "池田",
    "橋本",
    "阿部",
    "石川",
    "前田",
    "藤田",
    "岡田",
    "長谷川",
    "村上",
    "近藤",
]
SINCE = "2023-04-01"
ROOMS = {"U-11": "環境政策室", "U-12": "市民相談室", "U-21": "財政経営室", "U-22": "法制室"}
DEPARTMENTS = {"U-10": "市民部", "U-20": "総務部"}
# 係 of the first room.
SECTIONS = {"U-111": "温暖化対策係", "U-112": "廃棄物係"}
FILING = (*ROOMS, *SECTIONS)
TITLES = {
    "member": "係員",
    "chief": "担当主査",
    "deputy_head": "室長補佐",
    "head": "室長",
    "deputy_director": "次長",
    "director": "部長",
    "vice_mayor": "副市長",
    "body_head": "市長",
}
# From the highest.
HEADING = ("body_head", "vice_mayor", "director", "deputy_director", "head")
# A room's, a department's and the town's posts; those after "?" are not in every one.
ROOM = ("head", "?deputy_head", "?chief", "member", "member")
DEPARTMENT = ("director", "?deputy_director")
SECTION = ("chief", "member", "member")
# Matter → class, 合議, after which rank, 審査, and the form of the 合議. One for every form of a route.
MATTERS = {
    "補助金交付": ("head", "", "", "", "", ""),
    "契約締結": ("director", "P-21-01;P-22-01", "head", "", "", ""),
    "協定締結": ("director", "P-12-01;P-21-01;P-22-01", "drafter", "", "any", ""),
    "予算要求": ("director", "P-21-01;P-22-01", "director", "", "", "units"),
    "規程改正": ("vice_mayor", "P-11-01;P-21-01", "director", "P-22-01", "", ""),
    "議案提出": ("body_head", "", "", "P-22-01;P-20-01", "", ""),
}
PROVISIONAL = ("予算要求",)


@dataclass
class Town:
    """Who works where. `holders` follows every change that a test makes."""

    rng: random.Random
    today_year: int
    units: dict[str, str] = field(default_factory=dict)
    # Unit → the one above it.
    parents: dict[str, str] = field(default_factory=dict)
    # Post → rank; the unit is in its id.
    posts: dict[str, str] = field(default_factory=dict)
    staff: list[str] = field(default_factory=list)
    # Who has left.
    gone: list[str] = field(default_factory=list)
    # 文書管理責任者
    managers: list[str] = field(default_factory=list)
    # Who administers the system (AC-08).
    administrators: set[str] = field(default_factory=set)
    # Post → who holds it, and how.
    holders: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    substitutes: dict[str, list[str]] = field(default_factory=dict)

    def unit_of(self, post_id: str) -> str:
        return "U" + post_id[1:].rsplit("-", 1)[0]

    def members(self, unit_id: str) -> set[str]:
        return {who for post in self.posts if self.unit_of(post) == unit_id for who in self.holders[post]}

    def room(self, unit_id: str) -> set[str]:
        """Who is of the same 課: its own people and those of its 係 (AC-02). Administrators are of their own unit only."""
        room = self.parents[unit_id] if unit_id in SECTIONS else unit_id
        return self._around(unit_id, [room, *(unit for unit in SECTIONS if self.parents[unit] == room)])

    def department(self, unit_id: str) -> set[str]:
        """Who is of the same 部: its own people, its rooms, and their 係."""
        above = unit_id
        while above not in DEPARTMENTS:
            above = self.parents[above]
        rooms = [unit for unit in ROOMS if self.parents[unit] == above]
        return self._around(unit_id, [above, *rooms, *(unit for unit in SECTIONS if self.parents[unit] in rooms)])

    def head_above(self, section: str) -> set[str]:
        """The 所属長 of a 係: who holds the room's post of 室長."""
        heads = [post for post in self.of_rank("head") if self.unit_of(post) == self.parents[section]]
        return {who for post in heads for who in self.holders[post]} - self.administrators

    def heads(self, unit_id: str) -> set[str]:
        """The 所属長 of a unit: who holds the highest post from 室長 up in it, else in the nearest above (AP-19)."""
        while unit_id:
            for rank in HEADING:
                held = [post for post in self.of_rank(rank) if self.unit_of(post) == unit_id and self.holders[post]]
                if held:
                    return {who for post in held for who in self.holders[post]}
            unit_id = self.parents[unit_id]
        return set()

    def managers_above(self, unit_id: str) -> set[str]:
        """The 文書管理責任者 of the 課 of a 係, who answer for its documents too; of any other unit nobody."""
        above = self.members(self.parents[unit_id]) if unit_id in SECTIONS else set[str]()
        return (above & set(self.managers)) - self.administrators

    def _around(self, unit_id: str, units: list[str]) -> set[str]:
        others = {who for unit in units for who in self.members(unit)}
        return self.members(unit_id) | (others - self.administrators)

    def held(self, post_id: str) -> set[str]:
        return set(self.holders[post_id]) if post_id in self.posts else set()

    def posts_of(self, staff_id: str) -> list[str]:
        return [post for post in self.posts if staff_id in self.holders[post]]

    def of_rank(self, *ranks: str) -> list[str]:
        return [post for post, rank in self.posts.items() if rank in ranks]

    def new_post(self, unit_id: str, rank: str) -> str:
        taken = sum(self.unit_of(post) == unit_id for post in self.holders)
        post_id = f"P{unit_id[1:]}-{taken + 1:02}"
        self.posts[post_id] = rank
        self.holders[post_id] = {}
        return post_id


def build(rng: random.Random, today_year: int) -> Town:
    """Everybody has one main post; some hold another line post as 兼務 or 事務取扱, some a member's post as 併任."""
    town = Town(rng, today_year)
    plan = {"U-00": ("body_head", "vice_mayor")}
    plan |= dict.fromkeys(DEPARTMENTS, DEPARTMENT) | dict.fromkeys(ROOMS, ROOM) | dict.fromkeys(SECTIONS, SECTION)
    town.units = {"U-00": "箕面市"} | DEPARTMENTS | ROOMS | SECTIONS
    town.parents = {"U-00": ""} | dict.fromkeys(DEPARTMENTS, "U-00") | dict.fromkeys(SECTIONS, "U-11")
    town.parents |= {room: f"{room[:3]}0" for room in ROOMS}
    for unit_id, ranks in plan.items():
        for rank in ranks:
            if not rank.startswith("?") or rng.random() < 0.7:
                town.new_post(unit_id, rank.removeprefix("?"))
    vacant = rng.sample(town.of_rank("deputy_head", "chief", "head"), 3)
    for post in town.posts:
        if post not in vacant:
            town.staff.append(f"S{len(town.staff) + 1:04}")
            town.holders[post] = {town.staff[-1]: "main"}
    for post in vacant:
        above = [who for other in town.of_rank("director", "head") if other != post for who in town.holders[other]]
        town.holders[post] = {rng.choice(above): rng.choice(["concurrent", "acting"])}
    for post in rng.sample(town.of_rank("member"), 3):
        elsewhere = [one for one in FILING if one != town.unit_of(post)]
        extra = town.new_post(rng.choice(elsewhere), "member")
        town.holders[extra] = dict.fromkeys(town.holders[post], "concurrent")
    town.managers = sorted({who for post in town.of_rank("head") for who in town.holders[post]})
    town.administrators = set(
        rng.choice([[*town.holders[post]] for post in town.of_rank("member") if town.holders[post]])
    )
    for post in town.of_rank("head", "director", "vice_mayor", "body_head"):
        near = [one for one in town.posts if town.unit_of(one) == town.unit_of(post) and one != post]
        near = [one for one in near if town.posts[one] != "member"]
        far = [one for one in town.of_rank("head", "director") if one != post and one not in near]
        town.substitutes[post] = [*near, rng.choice(far)][:2]
    return town


def write(town: Town, folder: Path) -> None:
    """The files of the city."""
    tables = {
        "organisation/units.csv": [
            [unit, town.parents[unit], "mayor", name, name, "箕市", str(place), SINCE, ""]
            for place, (unit, name) in enumerate(town.units.items(), start=1)
        ],
        "organisation/posts.csv": [
            [post, town.unit_of(post), TITLES[rank], rank, "", SINCE, ""] for post, rank in town.posts.items()
        ],
        "organisation/staff.csv": [
            [who, f"{name} {who}", "ショクイン", login(who), f"{login(who)}@city.example", SINCE, ""]
            for who, name in zip(town.staff, SURNAMES * 3, strict=False)
        ],
        "organisation/appointments.csv": [
            [who, post, kind, SINCE, ""] for post in town.posts for who, kind in town.holders[post].items()
        ],
        "organisation/absences.csv": [],
        "organisation/roles.csv": [
            *([who, "records_manager", SINCE, ""] for who in town.managers),
            *([who, "system_admin", SINCE, ""] for who in sorted(town.administrators)),
        ],
        "organisation/substitutes.csv": [
            [post, str(place), other, ""]
            for post, others in town.substitutes.items()
            for place, other in enumerate(others, start=1)
        ],
        "decision_rules.csv": [_rule(number, matter) for number, matter in enumerate(MATTERS, start=1)],
    }
    for name, rows in tables.items():
        _table(folder / name, COLUMNS[name].split(","), rows)
    classes = "class_code,large,middle,small,unit_id,matter,retention,basis,disclosure,personal_information,paper_only,after_expiry,view_class"
    kinds = [
        [
            class_of(matter),
            "庶務",
            "一般",
            matter,
            "",
            matter,
            "5",
            "別表第1",
            "partial",
            "none",
            "false",
            "dispose",
            "city",
        ]
        for matter in MATTERS
    ]
    _table(folder / "classes.csv", classes.split(","), kinds)
    year = str(town.today_year)
    folders = [
        [folder_of(unit, matter), unit, year, class_of(matter), f"{matter}綴"] for unit in FILING for matter in MATTERS
    ]
    _table(folder / "folders.csv", ["folder_id", "unit_id", "fiscal_year", "class_code", "name"], folders)


def _rule(number: int, matter: str) -> list[str]:
    cls, concurring, after, reviewing, need, order = MATTERS[matter]
    row = [f"R-{number}", "mayor", "", matter, "", "", cls, concurring, after, reviewing, SINCE, ""]
    return [*row, f"事務決裁規程第{number}条", need, order, "yes" if matter in PROVISIONAL else ""]


def login(staff_id: str) -> str:
    return f"staff.{staff_id.lower()}"


def class_of(matter: str) -> str:
    return f"0000-01-{list(MATTERS).index(matter) + 1:02}"


def folder_of(unit_id: str, matter: str) -> str:
    return f"F-{unit_id}-{class_of(matter)}"


def _table(path: Path, header: list[str], rows: list[list[str]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])

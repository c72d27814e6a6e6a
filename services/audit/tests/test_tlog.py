"""Trees, proofs, tile paths and bundles against published vectors and against a second, naive implementation.

The golden vectors of the log's design (section 1.9) are here and, for notes and keys, in test_note, byte for byte.
"""

import base64
from functools import cache
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audit import tlog
from services.audit.tlog import EMPTY_ROOT, ENTRIES, Edge, Tile, TreeError

RFC6962_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
RFC6962_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
TESSERA_ENTRIES = b"one two three four five six seven eit nain ten ileven twelf threeten fourten fivten".split()
TESSERA_ROOTS = {
    1: "0Nc2CrefWKseHj/mStd+LqC8B+NrX0btIiPt2SmN+ek=",
    2: "T1X2GdkhUjV3iyufF9b0kVsWFxIU0VI4EpNml2Teci4=",
    3: "Wqx3HImawpLnS/Gv4ubjAvi1WIOy0b8Ze0amvqbavKk=",
    8: "bC+VwvrJbalNVjfkdI8kUgs7mJoXrqiXCE7bgnD28pY=",
    14: "SvCd38yNade7xEPY1a/aAc1M3A2AHYVF8lIiUnsH1ao=",
    15: "rKbDipCvhuX1GZ7g5BBe8sA6BbJ7ja/1nk427v383cs=",
}
BOUNDARIES = (0, 1, 2, 255, 256, 257, 511, 512, 513, 65_535, 65_536, 65_537, 70_000)


def numbered_leaf(index: int) -> bytes:
    return tlog.leaf_hash(index.to_bytes(4, "big"))


def naive_root(hashes: list[bytes]) -> bytes:
    """RFC 6962 section 2.1, word for word."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + naive_root(hashes[:split]) + naive_root(hashes[split:])).digest()


def tiles_of(edge: Edge, filled: list[tuple[Tile, bytes]]) -> dict[tuple[int, int], bytes]:
    return {(tile.level, tile.index): content for tile, content in filled + edge.partials()}


@cache
def large_tree() -> tuple[dict[tuple[int, int], bytes], dict[int, bytes]]:
    """The tiles of a tree of 70,000 leaves, and its root at each boundary on the way."""
    edge, filled, roots = Edge(), [], {}
    for size in BOUNDARIES:
        filled += edge.extend(numbered_leaf(i) for i in range(edge.size, size))
        roots[size] = edge.root()
    return tiles_of(edge, filled), roots


# --- hashes and roots -------------------------------------------------------------------------------------------


def test_empty_root_is_the_hash_of_nothing() -> None:
    assert base64.b64encode(EMPTY_ROOT) == b"47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    assert Edge().root() == EMPTY_ROOT == tlog.root_of([])


@pytest.mark.parametrize("size", RFC6962_ROOTS)
def test_roots_of_the_classic_eight_leaves(size: int) -> None:
    """Golden vectors 1.9: RFC 6962."""
    hashes = [tlog.leaf_hash(leaf) for leaf in RFC6962_LEAVES[:size]]
    assert tlog.root_of(hashes).hex() == RFC6962_ROOTS[size]


@pytest.mark.parametrize("size", TESSERA_ROOTS)
def test_roots_of_the_tessera_log(size: int) -> None:
    """Golden vectors 1.9: Tessera."""
    hashes = [tlog.leaf_hash(entry) for entry in TESSERA_ENTRIES[:size]]
    assert base64.b64encode(tlog.root_of(hashes)).decode() == TESSERA_ROOTS[size]


def test_roots_of_the_litewitness_session() -> None:
    """Golden vectors 1.9: witness session."""
    hashes = [bytes([0x2A, i]) + bytes(30) for i in range(5)]
    assert base64.b64encode(tlog.root_of(hashes[:3])) == b"RcCI1Nk56ZcSmIEfIn0SleqtV7uvrlXNccFx595Iwl0="
    assert base64.b64encode(tlog.root_of(hashes)) == b"QrtXrQZCCvpIgsSmOsah7HdICzMLLyDfxToMql9WTjY="


def test_tessera_bundle_and_tile_bytes() -> None:
    """Golden vectors 1.9: Tessera's files."""
    assert Tile(ENTRIES, 0, 15).path == "tile/entries/000.p/15"
    bundle = tlog.encode_bundle(TESSERA_ENTRIES)
    assert bundle.startswith(bytes.fromhex("00036f6e65000374776f"))
    edge = Edge()
    assert edge.extend(tlog.leaf_hash(entry) for entry in TESSERA_ENTRIES) == []
    [(tile, content)] = edge.partials()
    assert tile.path == "tile/0/000.p/15"
    assert content == b"".join(tlog.leaf_hash(entry) for entry in TESSERA_ENTRIES)


@pytest.mark.parametrize("size", BOUNDARIES)
def test_root_at_every_boundary_equals_the_naive_one(size: int) -> None:
    assert large_tree()[1][size] == naive_root([numbered_leaf(i) for i in range(size)])


@given(st.lists(st.integers(0, 300), max_size=8))
def test_batch_boundaries_do_not_change_the_tree(batches: list[int]) -> None:
    edge, whole, position, filled = Edge(), Edge(), 0, []
    for count in batches:
        filled += edge.extend(numbered_leaf(position + i) for i in range(count))
        position += count
        edge = Edge.restore(edge.size, edge.saved())
    assert filled == whole.extend(numbered_leaf(i) for i in range(position))
    assert edge == whole
    assert edge.root() == naive_root([numbered_leaf(i) for i in range(position)])


def test_edge_refuses_what_does_not_fit_its_size() -> None:
    edge = Edge()
    edge.extend(numbered_leaf(i) for i in range(300))
    saved = edge.saved()
    for wrong in (
        saved[:1],
        [*saved, b""],
        [saved[0][32:], saved[1]],
        [saved[0][1:], saved[1]],
        [saved[1], saved[0]],
    ):
        with pytest.raises(TreeError):
            Edge.restore(300, wrong)


# --- tiles and their paths --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("index", "path"),
    [
        (0, "000"),
        (273, "273"),
        (999, "999"),
        (1000, "x001/000"),
        (1_234_067, "x001/x234/067"),
        (123_456_789, "x123/x456/789"),
    ],
)
def test_index_paths(index: int, path: str) -> None:
    assert tlog.index_path(index) == path
    assert tlog.parse_tile_path(f"tile/0/{path}") == Tile(0, index)


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, []),
        (1, ["tile/0/000.p/1"]),
        (255, ["tile/0/000.p/255"]),
        (256, ["tile/1/000.p/1"]),
        (257, ["tile/0/001.p/1", "tile/1/000.p/1"]),
        (65_535, ["tile/0/255.p/255", "tile/1/000.p/255"]),
        (65_536, ["tile/2/000.p/1"]),
        (65_537, ["tile/0/256.p/1", "tile/2/000.p/1"]),
        (70_000, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]),
    ],
)
def test_partial_tiles_at_boundaries(size: int, expected: list[str]) -> None:
    edge = Edge()
    edge.extend(numbered_leaf(i) for i in range(size))
    assert [tile.path for tile, _ in edge.partials()] == expected
    assert all(tile.width == tlog.width_at(size, tile.level, tile.index) for tile, _ in edge.partials())


def test_widths_of_the_70_000_tree() -> None:
    assert [tlog.width_at(70_000, 0, i) for i in (0, 272, 273, 274)] == [256, 256, 112, 0]
    assert [tlog.width_at(70_000, 1, i) for i in (0, 1, 2)] == [256, 17, 0]
    assert [tlog.width_at(70_000, 2, i) for i in (0, 1)] == [1, 0]
    assert tlog.width_at(70_000, ENTRIES, 273) == 112
    assert len(large_tree()[0]) == 274 + 2 + 1


def test_every_tile_hash_is_the_root_of_its_leaves() -> None:
    for level, index, position in ((0, 273, 111), (1, 0, 0), (1, 0, 255), (1, 1, 16), (2, 0, 0)):
        span = 256**level
        first = (index * 256 + position) * span
        expected = naive_root([numbered_leaf(i) for i in range(first, first + span)])
        assert large_tree()[0][level, index][position * 32 : position * 32 + 32] == expected


@given(st.integers(-1, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_paths_round_trip(level: int, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert tlog.parse_tile_path(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/8/0/000",
        "tile/0/x000/001",
        "tile/0/1000",
        "tile/0/001/000",
        "tile/0/x001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p/1/",
        "tile/entries/../../checkpoint",
        "tile/0/000\n",
        "tile/0/０００",
        "/tile/0/000",
    ],
)
def test_other_spellings_are_not_paths(path: str) -> None:
    with pytest.raises(TreeError):
        tlog.parse_tile_path(path)


# --- proofs -----------------------------------------------------------------------------------------------------


def small_tree(size: int) -> tuple[list[bytes], dict[tuple[int, int], bytes], bytes]:
    hashes = [numbered_leaf(i) for i in range(size)]
    edge = Edge()
    filled = edge.extend(hashes)
    return hashes, tiles_of(edge, filled), edge.root()


def test_all_inclusion_proofs_of_small_trees() -> None:
    for size in range(1, 34):
        hashes, tiles, root = small_tree(size)
        for index in range(size):
            ranges = tlog.inclusion_ranges(index, size)
            proof = tlog.prove(ranges, tiles)
            assert proof == [naive_root(hashes[low:high]) for low, high in ranges]
            for claimed in range(size + 1):
                assert tlog.verify_inclusion(hashes[index], claimed, size, proof, root) == (claimed == index)


def test_all_consistency_proofs_of_small_trees() -> None:
    for size in range(34):
        hashes, tiles, root = small_tree(size)
        for old_size in range(size + 1):
            old_root = naive_root(hashes[:old_size])
            proof = tlog.prove(tlog.consistency_ranges(old_size, size), tiles)
            assert tlog.verify_consistency(old_size, size, proof, old_root, root)
            assert tlog.root_at(old_size, tiles) == old_root
            for wrong in (root, EMPTY_ROOT, numbered_leaf(999)):
                if wrong != old_root:
                    assert not tlog.verify_consistency(old_size, size, proof, wrong, root)


@given(st.data())
def test_proofs_of_a_large_tree_come_from_the_named_tiles_alone(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from(BOUNDARIES[1:]) | st.integers(1, 70_000))
    index = data.draw(st.integers(0, size - 1))
    old_size = data.draw(st.integers(0, size))
    tiles, _ = large_tree()

    def proof_of(ranges: list[tuple[int, int]]) -> list[bytes]:
        named = tlog.tiles_for(ranges, size)
        assert len(named) <= 3 + 2 * tlog.levels_at(size)
        return tlog.prove(ranges, {(t.level, t.index): tiles[t.level, t.index][: t.width * 32] for t in named})

    root, old_root = tlog.root_at(size, tiles), tlog.root_at(old_size, tiles)
    assert tlog.verify_inclusion(numbered_leaf(index), index, size, proof_of(tlog.inclusion_ranges(index, size)), root)
    assert tlog.verify_consistency(old_size, size, proof_of(tlog.consistency_ranges(old_size, size)), old_root, root)


@given(st.data())
def test_a_changed_proof_never_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 600))
    hashes, tiles, root = small_tree(size)
    index = data.draw(st.integers(0, size - 1))
    proof = tlog.prove(tlog.inclusion_ranges(index, size), tiles)
    place = data.draw(st.integers(0, len(proof) * 32 - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    flat = bytearray(b"".join(proof))
    flat[place] ^= bit
    assert not tlog.verify_inclusion(hashes[index], index, size, tlog.split_hashes(bytes(flat)), root)
    for changed in (proof[:-1], [*proof, root], [root, *proof], proof[::-1] if proof[::-1] != proof else []):
        assert not tlog.verify_inclusion(hashes[index], index, size, changed, root)


@given(st.data())
def test_a_changed_consistency_proof_never_verifies(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 600))
    old_size = data.draw(st.integers(1, size - 1))
    _, tiles, root = small_tree(size)
    old_root = tlog.root_at(old_size, tiles)
    proof = tlog.prove(tlog.consistency_ranges(old_size, size), tiles)
    flat = bytearray(b"".join(proof))
    flat[data.draw(st.integers(0, len(flat) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    assert not tlog.verify_consistency(old_size, size, tlog.split_hashes(bytes(flat)), old_root, root)
    for changed in (proof[:-1], [*proof, root], [old_root, *proof]):
        assert not tlog.verify_consistency(old_size, size, changed, old_root, root)
    assert not tlog.verify_consistency(old_size, size, proof, root, old_root)


def test_size_zero_is_consistent_with_everything_and_needs_no_proof() -> None:
    root = naive_root([numbered_leaf(0)])
    assert tlog.verify_consistency(0, 1, [], EMPTY_ROOT, root)
    assert tlog.verify_consistency(0, 0, [], EMPTY_ROOT, EMPTY_ROOT)
    assert not tlog.verify_consistency(0, 1, [root], EMPTY_ROOT, root)
    assert not tlog.verify_consistency(0, 1, [], root, root)
    assert not tlog.verify_consistency(0, 0, [], EMPTY_ROOT, root)
    assert not tlog.verify_consistency(2, 1, [], root, root)
    assert not tlog.verify_inclusion(root, 0, 0, [], EMPTY_ROOT)


# --- bundles ----------------------------------------------------------------------------------------------------


@given(st.lists(st.binary(max_size=300), max_size=256))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    assert tlog.decode_bundle(tlog.encode_bundle(entries)) == entries


def test_largest_entry_fits_and_one_byte_more_does_not() -> None:
    assert tlog.decode_bundle(tlog.encode_bundle([bytes(65_535)])) == [bytes(65_535)]
    with pytest.raises(TreeError, match="65536 bytes"):
        tlog.encode_bundle([bytes(65_536)])


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=20), st.data())
def test_a_cut_bundle_never_reads_as_the_whole(entries: list[bytes], data: st.DataObject) -> None:
    bundle = tlog.encode_bundle(entries)
    cut = data.draw(st.integers(0, len(bundle) - 1))
    try:
        read = tlog.decode_bundle(bundle[:cut])
    except TreeError:
        return
    assert len(read) < len(entries)
    assert read == entries[: len(read)]


def test_more_than_256_entries_are_not_a_bundle() -> None:
    with pytest.raises(TreeError, match="more than 256"):
        tlog.decode_bundle(tlog.encode_bundle([b"x"] * 257))


@pytest.mark.parametrize("size", [0, 1, 255, 256, 257, 65535, 65536, 65537, 70000])
def test_a_copy_fetches_every_tile_that_has_a_width(size):
    tiles = list(tlog.tiles_of(size))
    assert len(set(tiles)) == len(tiles)
    assert all(tile.width == tlog.width_at(size, tile.level, tile.index) > 0 for tile in tiles)
    for level in (tlog.ENTRIES, 0, 1, 2):
        beyond = sum(tile.level == level for tile in tiles)
        assert tlog.width_at(size, level, beyond) == 0
        assert sum(tile.width for tile in tiles if tile.level == level) == size >> (8 * max(level, 0))

"""Many addresses at once, in whatever they come and to whatever they go."""

from __future__ import annotations

import gc
import math
from ipaddress import ip_address

import pytest

import artif
from conftest import BAD, GOOD

TEXTS = [BAD, GOOD, "2001:470:1::5", "10.1.2.3", "8.8.4.4", "::ffff:" + BAD]
VERDICTS = [
    "dangerous",
    "No action needed",
    "dangerous",
    "not_applicable",
    "blocked",
    "dangerous",
]


@pytest.mark.parametrize("name", ["check", "gate"])
def test_one_address_in_all_its_forms(reader: artif.Reader, name: str) -> None:
    ask = getattr(reader, name)
    bad = ip_address(BAD)
    answers = [ask(form) for form in (BAD, bad, int(bad), bad.packed, f"::ffff:{BAD}")]
    scores = {getattr(answer, "score", answer) for answer in answers}
    assert scores == {reader.check(BAD).score}
    for nonsense in ("", "1.2.3", b"12345", -1, 1 << 128, None, 1.5):
        with pytest.raises(artif.errors.BadAddressError):
            ask(nonsense)


def test_a_list_of_texts(reader: artif.Reader) -> None:
    columns = reader.check_columns(TEXTS)
    assert list(columns.verdict) == VERDICTS == [a.verdict for a in reader.check_many(TEXTS)]
    assert columns.score.to_list() == [reader.check(ip).score for ip in TEXTS]
    assert list(columns.state) == [reader.check(ip).state for ip in TEXTS]
    assert list(columns.listed) == [len(reader.check(ip).feeds) for ip in TEXTS]
    assert list(columns.categories) == [reader.check(ip).categories for ip in TEXTS]
    assert list(columns.asn) == list(columns.country) == [None] * len(TEXTS)
    assert (len(columns), columns.invalid) == (len(TEXTS), 0)
    assert columns.snapshot_id == reader.check(BAD).snapshot_id
    assert repr(columns).startswith("<Columns score, verdict")


def test_many_addresses_in_parts(reader: artif.Reader) -> None:
    np, pa = pytest.importorskip("numpy"), pytest.importorskip("pyarrow")
    few = [*TEXTS[:2], "no", "", *TEXTS[2:]]
    # So many that processors share them, and not a whole number for each.
    texts = (few * 40_000)[:-3]
    expected = reader.check_columns(few)
    every = ["score", "verdict", "state", "asn", "country", "organisation", "listed", "feeds"]
    every.append("categories")
    for given in (texts, pa.array(texts), pa.array(texts, pa.large_string())):
        columns = reader.check_columns(given, columns=every)
        assert (len(columns), columns.invalid) == (len(texts), 80_000)
        for name in expected.names:
            assert columns[name].to_list() == (expected[name].to_list() * 40_000)[:-3]
    v4 = np.array([int(ip_address(text)) for text in (BAD, GOOD, "8.8.4.4")] * 70_000, np.uint32)
    assert reader.check_columns(v4).verdict.to_list() == [
        *("dangerous", "No action needed", "blocked")
    ] * len(v4[::3])
    v6 = np.frombuffer(ip_address("2001:470:1::5").packed * 140_001, np.uint8).reshape(-1, 16)
    assert set(reader.check_columns(v6).verdict.to_list()) == {"dangerous"}


def test_what_is_no_address_has_no_answers(reader: artif.Reader) -> None:
    columns = reader.check_columns([BAD, "nonsense", "", "1.2.3.4 ", "\ud800", None])
    assert columns.invalid == 5
    assert list(columns.verdict) == ["dangerous"] + [None] * 5
    for name in columns.names:
        assert columns[name][1] is None
    assert math.isnan(memoryview(columns.score)[1])


def test_columns_by_name(reader: artif.Reader) -> None:
    columns = reader.check_columns([BAD, GOOD], columns=["feeds", "organisation"])
    assert columns.names == ["organisation", "feeds"]
    assert list(columns.feeds) == [["mine"], []]
    with pytest.raises(AttributeError, match="score"):
        _ = columns.score
    with pytest.raises(KeyError):
        columns["nonsense"]
    with pytest.raises(ValueError, match='no column "nonsense"'):
        reader.check_columns([BAD], columns=["nonsense"])
    with pytest.raises(ValueError, match="at least one"):
        reader.check_columns([BAD], columns=[])
    with pytest.raises(IndexError):
        columns.feeds[2]
    assert columns.feeds[-2] == ["mine"]


def test_lists_of_other_things(reader: artif.Reader) -> None:
    objects = [ip_address(text) for text in TEXTS]
    mixed = [*objects[:2], *TEXTS[2:4], int(objects[4]), objects[5].packed]
    for given in (objects, mixed, tuple(objects), iter(objects), (o for o in objects)):
        assert list(reader.check_columns(given).verdict) == VERDICTS
    numbers = [int(ip_address(text)) for text in (BAD, GOOD)]
    assert list(reader.check_columns(numbers).verdict) == VERDICTS[:2]
    assert len(reader.check_columns([])) == 0
    with pytest.raises(TypeError, match="many addresses"):
        reader.check_columns(BAD)
    with pytest.raises(TypeError):
        reader.check_columns(5)


def test_buffers_outlive_the_columns(reader: artif.Reader) -> None:
    column = reader.check_columns([BAD, GOOD] * 1000).score
    view = memoryview(column)
    expected = column.to_list()
    del column
    gc.collect()
    assert (view.format, view.shape, view.readonly) == ("d", (2000,), True)
    assert view.tolist() == expected


def test_numpy(reader: artif.Reader) -> None:
    np = pytest.importorskip("numpy")
    v4 = [int(ip_address(text)) for text in (BAD, GOOD, "8.8.4.4")]
    expected = [VERDICTS[0], VERDICTS[1], VERDICTS[4]]
    for kind in ("uint32", "int64", "uint64", ">u4", "object"):
        assert list(reader.check_columns(np.array(v4, dtype=kind)).verdict) == expected, kind
    every_other = np.array([v4, [0, 0, 0]], dtype=np.uint32).T.reshape(-1)[::2]
    assert list(reader.check_columns(every_other).verdict) == expected
    packed = np.array([list(ip_address(n).packed) for n in v4], dtype=np.uint8)
    assert list(reader.check_columns(packed).verdict) == expected
    v6 = np.array(
        [list((ip_address(t) if ":" in t else ip_address("::ffff:" + t)).packed) for t in TEXTS],
        dtype=np.uint8,
    )
    assert list(reader.check_columns(v6).verdict) == VERDICTS
    for texts in (np.array(TEXTS), np.array(TEXTS, dtype="S"), np.array(TEXTS, dtype=object)):
        assert list(reader.check_columns(texts).verdict) == VERDICTS, texts.dtype
    odd = reader.check_columns(np.array(["1.1.1.1é", "1.1.1.1"]))
    assert odd.invalid == 1
    with pytest.raises(ValueError, match="no IPv4"):
        reader.check_columns(np.array([1 << 32]))
    for wrong in (np.zeros((2, 5), np.uint8), np.zeros(3)):
        with pytest.raises(TypeError, match="addresses are not read from an array"):
            reader.check_columns(wrong)

    columns = reader.check_columns(TEXTS)
    scores = np.asarray(columns.score)
    assert (scores.dtype, scores.base is not None) == (np.float64, True)
    assert not scores.flags.writeable
    assert scores.tolist() == columns.score.to_list()
    names = np.array(columns.verdict.names)
    assert names[np.asarray(columns.verdict)].tolist() == VERDICTS
    assert np.asarray(columns.country).dtype == np.dtype("S2")


def test_arrow(reader: artif.Reader) -> None:
    pa = pytest.importorskip("pyarrow")
    with_gaps = [*TEXTS[:3], None, *TEXTS[3:], "nonsense"]
    expected = [*VERDICTS[:3], None, *VERDICTS[3:], None]
    for kind in (pa.string(), pa.large_string(), pa.string_view()):
        whole = pa.array(with_gaps, kind)
        assert list(reader.check_columns(whole).verdict) == expected, kind
        assert list(reader.check_columns(whole[1:-1]).verdict) == expected[1:-1], kind
        assert list(reader.check_columns(pa.array(TEXTS, kind)[2:5]).verdict) == VERDICTS[2:5]
    chunks = pa.chunked_array([with_gaps[:2], [], with_gaps[2:]])
    assert list(reader.check_columns(chunks).verdict) == expected
    assert list(reader.check_columns(chunks.dictionary_encode()).verdict) == expected
    assert list(reader.check_columns(pa.table({"ip": with_gaps})).verdict) == expected
    bits = [int(ip_address(BAD)), None, int(ip_address(GOOD))]
    for kind in (pa.uint32(), pa.int64(), pa.uint64()):
        columns = reader.check_columns(pa.array(bits, kind))
        assert list(columns.verdict) == [VERDICTS[0], None, VERDICTS[1]], kind
        assert columns.invalid == 1
    v6 = [ip_address("2001:470:1::5").packed, None, ip_address("::ffff:" + BAD).packed]
    columns = reader.check_columns(pa.array(v6, pa.binary(16)))
    assert list(columns.verdict) == ["dangerous", None, "dangerous"]
    columns = reader.check_columns(pa.array([v6[0], v6[2]], pa.binary(16))[1:])
    assert list(columns.verdict) == ["dangerous"]
    columns = reader.check_columns(pa.array([ip_address(BAD).packed], pa.binary(4)))
    assert list(columns.verdict) == ["dangerous"]
    with pytest.raises(TypeError, match="Float64"):
        reader.check_columns(pa.array([1.5]))
    with pytest.raises(TypeError, match="Struct"):
        reader.check_columns(pa.table({"a": TEXTS, "b": TEXTS}))

    every = [
        "score",
        "verdict",
        "state",
        "asn",
        "country",
        "organisation",
        "listed",
        "feeds",
        "categories",
    ]
    columns = reader.check_columns(with_gaps, columns=every)
    table = pa.table(columns)
    table.validate(full=True)
    assert table.column_names == columns.names == every
    for name in ("score", "verdict", "state", "asn", "country", "organisation", "listed"):
        assert table[name].to_pylist() == columns[name].to_list(), name
    joined = [None if feeds is None else ",".join(feeds) for feeds in columns.feeds]
    assert table["feeds"].to_pylist() == joined
    assert table["score"].null_count == 2
    alone = pa.array(columns.verdict)
    assert alone.to_pylist() == expected
    # Not copied.
    where = pa.array(columns.score).buffers()[1].address
    assert where == pa.array(columns.score).buffers()[1].address


def test_polars(reader: artif.Reader) -> None:
    pl = pytest.importorskip("polars")
    series = pl.Series("ip", [*TEXTS, None])
    frame = pl.DataFrame(reader.check_columns(series))
    assert frame["verdict"].to_list() == [*VERDICTS, None]
    assert frame["score"].null_count() == 1
    several = pl.concat([series, series], rechunk=False)
    assert several.n_chunks() == 2
    assert list(reader.check_columns(several).verdict) == [*VERDICTS, None] * 2
    numbers = pl.Series([int(ip_address(BAD))], dtype=pl.UInt32)
    assert list(reader.check_columns(numbers).verdict) == ["dangerous"]
    assert list(reader.check_columns(series.cast(pl.Categorical)).verdict) == [*VERDICTS, None]
    assert list(reader.check_columns(pl.DataFrame(series)).verdict) == [*VERDICTS, None]


def test_pandas(reader: artif.Reader) -> None:
    pd = pytest.importorskip("pandas")
    for kind in ("object", "string", "category"):
        series = pd.Series([*TEXTS, None], dtype=kind)
        assert list(reader.check_columns(series).verdict) == [*VERDICTS, None], kind
    assert list(reader.check_columns(pd.Series([int(ip_address(BAD))])).verdict) == ["dangerous"]
    assert list(reader.check_columns(pd.Index(TEXTS)).verdict) == VERDICTS

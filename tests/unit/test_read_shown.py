"""What was read in generated pictures, as the page Generate shows it."""

from dashboard.read_shown import read_alt, read_chart, read_table
from sql.analytics import ReadCount

ROWS = (
    ReadCount("leaf-classifier", 3, "late_blight", 9, 4, 0.8),
    ReadCount("leaf-classifier", 2, "late_blight", 2, 0, 0.9),
    ReadCount("leaf-classifier", 3, "rust", 6, 0, 0.7),
    ReadCount("leaf-classifier", 3, "scab", 1, 1, 0.5),
    ReadCount("leaf-classifier", 3, None, 1, 0, 0.4),
)


def test_what_is_unknown_is_no_picture_of_its_nearest_class() -> None:
    (bars,) = read_chart(ROWS).to_dict()["datasets"].values()
    assert {row["class"]: row["pictures"] for row in bars} == {
        "Late blight": 7,
        "Rust": 6,
        "(further classes)": 1,
        "Unknown": 5,
    }
    assert read_alt(ROWS).endswith("Late blight 7, Rust 6, (further classes) 1, Unknown 5.")


def test_the_table_tells_versions_apart() -> None:
    table = read_table(ROWS)
    assert table["pictures"].tolist() == ["9", "2", "6", "1", "1"]
    assert table["of them unknown"].tolist() == ["4", "0", "0", "1", "0"]
    assert len(set(table["read by"])) == 2

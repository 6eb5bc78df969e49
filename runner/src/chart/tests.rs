use super::*;

const PLAIN: Style = Style {
    dots: false,
    colour: false,
};

fn chart<'a>(points: &'a [(f64, f64)], size: (usize, usize), style: Style) -> Chart<'a> {
    Chart {
        lines: vec![points],
        alerts: Vec::new(),
        size,
        log: false,
        style,
    }
}

fn points(values: impl IntoIterator<Item = f64>) -> Vec<(f64, f64)> {
    let steps = (0_u32..).map(f64::from);
    steps.zip(values).collect()
}

#[test]
fn a_rise_in_ascii() {
    let points = points([0.0, 1.0, 2.0, 3.0]);
    let chart = Chart {
        alerts: vec![(2.0, Severity::Warning), (2.0, Severity::Critical)],
        ..chart(&points, (14, 4), PLAIN)
    };
    let expected = "\
3 |         **
  |     ****
  |  ***
0 |**
  +-------C---
   0         3
";
    assert_eq!(chart.text().as_deref(), Some(expected));
}

#[test]
fn a_single_spike_among_a_million_is_seen() {
    let mut values = vec![1.0; 1_000_000];
    values[777_777] = 50.0;
    let points = points(values);
    let style = Style {
        dots: true,
        ..PLAIN
    };
    let text = chart(&points, (60, 5), style).text().unwrap_or_default();
    let top = text.lines().next().unwrap_or_default();
    assert!(top.starts_with("  50 ┤"));
    assert!(
        top.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)),
        "{text}"
    );
}

#[test]
fn what_has_no_height_is_a_mark_and_hides_nothing() {
    let points = points([
        1.0,
        f64::NAN,
        2.0,
        f64::INFINITY,
        1.5,
        f64::NEG_INFINITY,
        1.0,
    ]);
    let text = chart(&points, (40, 3), PLAIN).text().unwrap_or_default();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].contains('N') && rows[0].contains('^'), "{text}");
    assert!(rows[2].contains('v'), "{text}");
    assert!(rows[0].starts_with("  2 |"), "{text}");
}

#[test]
fn a_logarithmic_axis() {
    let points = points([1e-3, 1e3, 0.0]);
    let chart = Chart {
        log: true,
        ..chart(&points, (40, 5), PLAIN)
    };
    let text = chart.text().unwrap_or_default();
    let rows: Vec<&str> = text.lines().collect();
    assert!(rows[0].starts_with(" 1000 |"), "{text}");
    assert!(rows[2].starts_with("    1 |"), "{text}");
    assert!(
        rows[4].starts_with("0.001 |") && rows[4].contains('v'),
        "{text}"
    );
}

#[test]
fn a_line_that_goes_back_begins_anew() {
    // Two ranks, one after the other: no stroke leads from the end to the
    // beginning.
    let both = [(0.0, 0.0), (10.0, 0.0), (0.0, 4.0), (10.0, 4.0)];
    let text = chart(&both, (40, 5), PLAIN).text().unwrap_or_default();
    let rows: Vec<&str> = text.lines().collect();
    for middle in &rows[1..4] {
        assert!(!middle.contains('*'), "{text}");
    }
}

#[test]
fn nothing_to_draw() {
    assert_eq!(chart(&[], (40, 5), PLAIN).text(), None);
    let nan = [(1.0, f64::NAN)];
    assert_eq!(chart(&nan, (40, 5), PLAIN).text(), None);
    // The strangest numbers and sizes are no trouble.
    let strange = [
        (i64::MIN as f64, f64::MIN),
        (i64::MAX as f64, f64::MAX),
        (0.0, f64::MIN_POSITIVE),
    ];
    for size in [(0, 0), (1, 1), (300, 500)] {
        assert!(chart(&strange, size, PLAIN).text().is_some());
    }
}

#[test]
fn numbers_are_short() {
    for (value, expected) in [
        (0.0, "0"),
        (1.5, "1.5"),
        (43.6649, "43.66"),
        (-1234.56, "-1235"),
        (0.000_335, "0.000335"),
        (0.000_05, "5e-5"),
        (123_456.0, "123456"),
        (2.5e9, "2.5e9"),
    ] {
        assert_eq!(number(value), expected);
    }
}

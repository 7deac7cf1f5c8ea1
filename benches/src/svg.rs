//! Pictures: a small writer of SVG, and the two kinds of diagrams that the documents have.
//!
//! They are readable on light and dark pages: a picture brings its background along, and follows the reader's
//! preference. Colours of series differ in lightness too (the palette of Okabe and Ito), and each has a mark of its
//! own.

use std::fmt::Write as _;

/// Width of a picture.
const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 24.0;
const TOP: f64 = 74.0;
const BOTTOM: f64 = 60.0;

/// Colours on light and on dark ground.
const COLOURS: [(&str, &str); 6] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9a4d"),
    ("#00805c", "#2fcf9f"),
    ("#a2417f", "#e59bc6"),
    ("#806600", "#e6c229"),
    ("#555555", "#bbbbbb"),
];

/// A picture that is being made.
pub struct Svg(String);

impl Svg {
    /// An empty one.
    pub fn new(width: f64, height: f64) -> Svg {
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
             font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<style>\n\
             .ground {{ fill: #ffffff }} .ink {{ fill: #222222 }} .faint {{ fill: #666666 }}\n\
             .axis {{ stroke: #666666 }} .grid {{ stroke: #e2e2e2 }}\n"
        );
        for (index, (light, _)) in COLOURS.iter().enumerate() {
            let _ = writeln!(
                text,
                ".f{index} {{ fill: {light} }} .s{index} {{ stroke: {light}; fill: none }}"
            );
        }
        text += "@media (prefers-color-scheme: dark) {\n\
                 .ground { fill: #16181d } .ink { fill: #e6e6e6 } .faint { fill: #a0a0a0 }\n\
                 .axis { stroke: #a0a0a0 } .grid { stroke: #33363d }\n";
        for (index, (_, dark)) in COLOURS.iter().enumerate() {
            let _ = writeln!(
                text,
                ".f{index} {{ fill: {dark} }} .s{index} {{ stroke: {dark} }}"
            );
        }
        let _ = writeln!(
            text,
            "}}\n</style>\n<rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>"
        );
        Svg(text)
    }

    /// A line of the class.
    pub fn line(&mut self, class: &str, from: (f64, f64), to: (f64, f64)) {
        let ((x1, y1), (x2, y2)) = (from, to);
        let _ = writeln!(
            self.0,
            "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
        );
    }

    /// A text with its anchor (`start`, `middle`, `end`) at a place.
    pub fn text(&mut self, class: &str, at: (f64, f64), anchor: &str, more: &str, text: &str) {
        let (x, y) = at;
        let text = escape(text);
        let _ = writeln!(
            self.0,
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\"{more}>{text}</text>"
        );
    }

    /// Anything else.
    pub fn raw(&mut self, text: &str) {
        self.0 += text;
        self.0.push('\n');
    }

    /// The whole.
    pub fn end(mut self) -> String {
        self.0 += "</svg>\n";
        self.0
    }

    /// The mark of a series: circle, square, triangle, diamond, and so on.
    fn mark(&mut self, index: usize, (x, y): (f64, f64)) {
        let class = index % COLOURS.len();
        let path = match index % 4 {
            0 => format!("<circle class=\"f{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\"/>"),
            1 => format!(
                "<rect class=\"f{class}\" x=\"{:.1}\" y=\"{:.1}\" width=\"7\" height=\"7\"/>",
                x - 3.5,
                y - 3.5
            ),
            2 => format!(
                "<path class=\"f{class}\" d=\"M{x:.1} {:.1}l4.5 8h-9z\"/>",
                y - 4.8
            ),
            _ => format!(
                "<path class=\"f{class}\" d=\"M{x:.1} {:.1}l5 5-5 5-5-5z\"/>",
                y - 5.0
            ),
        };
        self.raw(&path);
    }
}

/// Text inside an element or an attribute.
pub fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('>', "&gt;").replace('"', "&quot;")
}

/// One line of a diagram.
pub struct Line {
    /// What the legend calls it.
    pub label: String,
    /// Its points.
    pub points: Vec<(f64, f64)>,
}

/// What is around the lines of a diagram.
pub struct Frame<'a> {
    /// Above it.
    pub title: &'a str,
    /// Below it, with the unit.
    pub x: &'a str,
    /// Left of it, with the unit.
    pub y: &'a str,
    /// Whether x values are bytes, and so are written as KiB and MiB.
    pub bytes: bool,
    /// Whether the y axis is logarithmic; otherwise it begins at 0. The x axis always is.
    pub log: bool,
}

/// A diagram of lines. All values are above 0.
pub fn lines(frame: &Frame, lines: &[Line]) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    let points = || lines.iter().flat_map(|line| &line.points);
    let least = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(f64::INFINITY, f64::min);
    let most = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
    let (x_least, x_most) = (least(|p| p.0), most(|p| p.0));
    let (y_least, y_most) = match frame.log {
        true => (
            10f64.powf(least(|p| p.1).log10().floor()),
            10f64.powf(most(|p| p.1).log10().ceil()),
        ),
        false => (0.0, nice(most(|p| p.1))),
    };
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let span = (x_most / x_least).ln().max(1e-9);
    let x = |value: f64| LEFT + width * (value / x_least).ln() / span;
    let y = |value: f64| {
        let part = match frame.log {
            true => (value / y_least).ln() / (y_most / y_least).ln(),
            false => value / y_most,
        };
        TOP + height * (1.0 - part)
    };

    let mut ticks = Vec::new();
    if frame.log {
        let mut at = y_least;
        while at <= y_most * 1.001 {
            ticks.push(at);
            at *= 10.0;
        }
    } else {
        ticks.extend((0..=5).map(|index| y_most * f64::from(index) / 5.0));
    }
    for tick in ticks {
        svg.line("grid", (LEFT, y(tick)), (WIDTH - RIGHT, y(tick)));
        svg.text(
            "faint",
            (LEFT - 8.0, y(tick) + 4.0),
            "end",
            "",
            &short(tick),
        );
    }
    let mut places: Vec<f64> = points().map(|p| p.0).collect();
    places.sort_by(f64::total_cmp);
    places.dedup();
    let bottom = TOP + height;
    for place in places {
        svg.line("axis", (x(place), bottom), (x(place), bottom + 5.0));
        let text = if frame.bytes {
            size(place)
        } else {
            short(place)
        };
        svg.text("faint", (x(place), bottom + 20.0), "middle", "", &text);
    }
    around(
        &mut svg,
        frame.title,
        lines.iter().map(|line| line.label.as_str()),
    );
    svg.line("axis", (LEFT, bottom), (WIDTH - RIGHT, bottom));
    svg.line("axis", (LEFT, TOP), (LEFT, bottom));
    svg.text(
        "ink",
        (LEFT + width / 2.0, HEIGHT - 14.0),
        "middle",
        "",
        frame.x,
    );
    upright(&mut svg, frame.y);
    for (index, line) in lines.iter().enumerate() {
        let class = index % COLOURS.len();
        let places: Vec<String> = line
            .points
            .iter()
            .map(|&(px, py)| format!("{:.1},{:.1}", x(px), y(py)))
            .collect();
        svg.raw(&format!(
            "<polyline class=\"s{class}\" stroke-width=\"2\" points=\"{}\"/>",
            places.join(" ")
        ));
        for &(px, py) in &line.points {
            svg.mark(index, (x(px), y(py)));
        }
    }
    svg.end()
}

/// A diagram of bars in groups: the names of the series, and each group with its name and a value for each series.
pub fn bars(
    title: &str,
    y_label: &str,
    series: &[&str],
    groups: &[(String, Vec<Option<f64>>)],
) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT);
    let values = groups
        .iter()
        .flat_map(|(_, values)| values.iter().flatten());
    let most = nice(values.copied().fold(0.0, f64::max));
    let (width, height) = (WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM);
    let y = |value: f64| TOP + height * (1.0 - value / most);
    for index in 0..=5 {
        let tick = most * f64::from(index) / 5.0;
        svg.line("grid", (LEFT, y(tick)), (WIDTH - RIGHT, y(tick)));
        svg.text(
            "faint",
            (LEFT - 8.0, y(tick) + 4.0),
            "end",
            "",
            &short(tick),
        );
    }
    around(&mut svg, title, series.iter().copied());
    let bottom = TOP + height;
    let room = width / groups.len().max(1) as f64;
    let bar = room * 0.8 / series.len().max(1) as f64;
    for (index, (name, values)) in groups.iter().enumerate() {
        let left = LEFT + room * index as f64;
        svg.text(
            "ink",
            (left + room / 2.0, bottom + 20.0),
            "middle",
            "",
            name,
        );
        for (index, value) in values.iter().enumerate() {
            let Some(value) = *value else { continue };
            let at = left + room * 0.1 + bar * index as f64;
            svg.raw(&format!(
                "<rect class=\"f{}\" x=\"{at:.1}\" y=\"{:.1}\" width=\"{:.1}\" height=\"{:.1}\"><title>{} {}: {}</title></rect>",
                index % COLOURS.len(),
                y(value),
                bar - 1.5,
                bottom - y(value),
                escape(series[index]),
                escape(name),
                short(value)
            ));
        }
    }
    svg.line("axis", (LEFT, bottom), (WIDTH - RIGHT, bottom));
    upright(&mut svg, y_label);
    svg.end()
}

/// Title and legend.
fn around<'a>(svg: &mut Svg, title: &str, labels: impl Iterator<Item = &'a str>) {
    let more = " font-size=\"16\" font-weight=\"600\"";
    svg.text("ink", (LEFT, 26.0), "start", more, title);
    let mut at = LEFT;
    for (index, label) in labels.enumerate() {
        svg.mark(index, (at + 5.0, 48.0));
        svg.text("ink", (at + 15.0, 52.5), "start", "", label);
        at += 34.0 + 7.2 * label.chars().count() as f64;
    }
}

fn upright(svg: &mut Svg, label: &str) {
    let (x, y) = (18.0, TOP + (HEIGHT - TOP - BOTTOM) / 2.0);
    let turned = format!(" transform=\"rotate(-90 {x} {y})\"");
    svg.text("ink", (x, y), "middle", &turned, label);
}

/// The next round number: 1, 2, 2.5 or 5 times a power of ten.
fn nice(value: f64) -> f64 {
    let power = 10f64.powf(value.max(1e-9).log10().floor());
    let factors = [1.0, 2.0, 2.5, 5.0, 10.0];
    let fits = |factor: &&f64| **factor * power >= value;
    factors.iter().find(fits).unwrap_or(&10.0) * power
}

/// A number with k, M or G.
fn short(value: f64) -> String {
    let (scaled, unit) = match value {
        v if v >= 1e9 => (value / 1e9, "G"),
        v if v >= 1e6 => (value / 1e6, "M"),
        v if v >= 1e4 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let text = format!("{scaled:.1}");
    let text = text.strip_suffix(".0").unwrap_or(&text);
    match unit {
        "" => text.to_owned(),
        unit => format!("{text} {unit}"),
    }
}

fn size(bytes: f64) -> String {
    match bytes {
        b if b >= 1048576.0 => format!("{} MiB", bytes / 1048576.0),
        b if b >= 1024.0 => format!("{} KiB", bytes / 1024.0),
        _ => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(2_500_000.0), "2.5 M");
        assert_eq!(short(20_000.0), "20 k");
        assert_eq!(short(512.0), "512");
        assert_eq!(size(65536.0), "64 KiB");
        assert_eq!(nice(3.2e6), 5e6);
        assert_eq!(nice(1e6), 1e6);
    }

    #[test]
    fn a_diagram_has_its_lines_and_labels() {
        let frame = Frame {
            title: "a < b",
            x: "size (bytes)",
            y: "calls a second",
            bytes: true,
            log: true,
        };
        let points = vec![(8.0, 1e6), (1024.0, 5e5)];
        let line = |label: &str| Line {
            label: label.into(),
            points: points.clone(),
        };
        let text = lines(&frame, &[line("call"), line("send")]);
        assert_eq!(text.matches("<polyline").count(), 2);
        for part in [
            "a &lt; b",
            ">1 KiB<",
            ">calls a second<",
            ">send<",
            "prefers-color-scheme",
        ] {
            assert!(text.contains(part), "{part}");
        }
        assert_eq!(
            text.matches("<text").count(),
            text.matches("</text>").count()
        );
    }
}

//! Numbers: written as `printf("%.14g")` writes them, read as `strtod` reads them.

/// What a number of a document is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// Without point and exponent, and within 64 bits.
    Int(i64),
    /// Any other.
    Float(f64),
}

/// The most digits that [`write_float`] is asked for.
const MOST_DIGITS: usize = 17;

/// Appends a whole number.
pub fn write_int(out: &mut Vec<u8>, n: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = n.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    if n < 0 {
        out.push(b'-');
    }
    out.extend_from_slice(&digits[at..]);
}

/// Appends `n` as C's `printf("%.Ng")` does, with `precision` for N, 1 to 17.
pub fn write_float(out: &mut Vec<u8>, n: f64, precision: usize) {
    let precision = precision.clamp(1, MOST_DIGITS);
    if n.is_nan() {
        return out.extend_from_slice(if n.is_sign_negative() {
            b"-nan"
        } else {
            b"nan"
        });
    }
    if n.is_sign_negative() {
        out.push(b'-');
    }
    let n = n.abs();
    if n.is_infinite() {
        return out.extend_from_slice(b"inf");
    }
    // Up to here every whole number of so few digits is written with all of them.
    if n < 1e15 && n.fract() == 0.0 && (n as u64) < 10u64.pow(precision.min(15) as u32) {
        return write_int(out, n as i64);
    }
    // A number that is known to fewer digits than are written is one of several that its shortest text is near to.
    let known = precision <= 15 && n.is_normal();
    let shortest = known.then(|| Digits::shortest(n));
    let digits = shortest.and_then(|digits| digits.rounded(precision));
    // If the shortest text is at half way, only the exact value tells to which side.
    digits
        .unwrap_or_else(|| Digits::exact(n, precision))
        .write(out, precision);
}

/// `0.DIGITS` times ten to the power of `point`.
#[derive(Clone, Copy)]
struct Digits {
    digits: [u8; 24],
    len: usize,
    point: i32,
}

impl Digits {
    /// The fewest digits that tell a number from its neighbours.
    fn shortest(n: f64) -> Digits {
        Digits::of_text(zmij::Buffer::new().format_finite(n).as_bytes())
    }

    /// So many digits of the exact value.
    #[cold]
    fn exact(n: f64, digits: usize) -> Digits {
        Digits::of_text(format!("{n:.*e}", digits - 1).as_bytes())
    }

    /// Of a text such as `12.5`, `1e-7` or `0.001`.
    fn of_text(text: &[u8]) -> Digits {
        let mut this = Digits {
            digits: [b'0'; 24],
            len: 0,
            point: 0,
        };
        let mut before_point = true;
        let mut rest = text;
        while let [byte, after @ ..] = rest {
            rest = after;
            match byte {
                b'.' => before_point = false,
                b'e' | b'E' => {
                    let exponent = std::str::from_utf8(rest).ok().and_then(|e| e.parse().ok());
                    this.point += exponent.unwrap_or(0);
                    break;
                }
                digit => {
                    if this.len == 0 && *digit == b'0' {
                        this.point -= i32::from(!before_point);
                        continue;
                    }
                    this.point += i32::from(before_point);
                    if this.len < this.digits.len() {
                        this.digits[this.len] = *digit;
                        this.len += 1;
                    }
                }
            }
        }
        this.trim();
        this
    }

    fn trim(&mut self) {
        while self.len > 0 && self.digits[self.len - 1] == b'0' {
            self.len -= 1;
        }
    }

    /// With at most so many digits; none if what is cut off is a half, as far as these digits tell. Otherwise the
    /// shortest digits round as the exact value does: if the border between two results were between the two, it would
    /// be a shorter text for the same number, or a nearer one.
    fn rounded(mut self, to: usize) -> Option<Digits> {
        if self.len <= to {
            return Some(self);
        }
        let next = self.digits[to];
        if next == b'5' && self.len == to + 1 {
            return None;
        }
        self.len = to;
        if next >= b'5' {
            let mut i = to;
            loop {
                if i == 0 {
                    self.digits[0] = b'1';
                    self.len = 1;
                    self.point += 1;
                    break;
                }
                i -= 1;
                if self.digits[i] == b'9' {
                    self.len = i;
                    continue;
                }
                self.digits[i] += 1;
                break;
            }
        }
        self.trim();
        Some(self)
    }

    fn write(&self, out: &mut Vec<u8>, precision: usize) {
        let digits = &self.digits[..self.len];
        let exponent = self.point - 1;
        if digits.is_empty() {
            out.push(b'0');
        } else if exponent < -4 || exponent >= precision as i32 {
            out.push(digits[0]);
            if digits.len() > 1 {
                out.push(b'.');
                out.extend_from_slice(&digits[1..]);
            }
            out.extend_from_slice(if exponent < 0 { b"e-" } else { b"e+" });
            if exponent.abs() < 10 {
                out.push(b'0');
            }
            write_int(out, i64::from(exponent.abs()));
        } else if self.point <= 0 {
            out.extend_from_slice(b"0.");
            out.extend_from_slice(&b"0000"[..self.point.unsigned_abs() as usize]);
            out.extend_from_slice(digits);
        } else {
            let point = self.point as usize;
            let whole = digits.len().min(point);
            out.extend_from_slice(&digits[..whole]);
            out.resize(out.len() + point - whole, b'0');
            if digits.len() > point {
                out.push(b'.');
                out.extend_from_slice(&digits[point..]);
            }
        }
    }
}

/// Powers of ten that a float has exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The number at the beginning of a text, and how many bytes it takes, by the rules of C's `strtod`: a sign; digits with
/// a point and an exponent, `0x` and hexadecimal ones with an exponent of two, `inf`, `infinity` or `nan`.
pub fn read_number(text: &[u8]) -> Option<(Number, usize)> {
    let at = |i: usize| text.get(i).copied().unwrap_or(0);
    let sign = usize::from(matches!(at(0), b'-' | b'+'));
    let negative = at(0) == b'-';
    let mut i = sign;
    let mut mantissa: u64 = 0;
    while at(i).is_ascii_digit() {
        // What does not fit is found out by the number of digits.
        mantissa = mantissa
            .wrapping_mul(10)
            .wrapping_add(u64::from(at(i) - b'0'));
        i += 1;
    }
    let whole = i - sign;
    if whole == 1 && at(sign) == b'0' && at(i) | 0x20 == b'x' {
        if let Some((n, end)) = read_hex(text, i + 1) {
            return Some((Number::Float(if negative { -n } else { n }), end));
        }
        return Some((zero(negative), i));
    }
    if !matches!(at(i), b'.' | b'e' | b'E') && (1..=18).contains(&whole) {
        if mantissa == 0 {
            return Some((zero(negative), i));
        }
        let n = mantissa as i64;
        return Some((Number::Int(if negative { -n } else { n }), i));
    }
    let mut digits = whole;
    if at(i) == b'.' && (whole > 0 || at(i + 1).is_ascii_digit()) {
        i += 1;
        while at(i).is_ascii_digit() {
            mantissa = mantissa
                .wrapping_mul(10)
                .wrapping_add(u64::from(at(i) - b'0'));
            digits += 1;
            i += 1;
        }
    }
    if digits == 0 {
        return read_word(text, sign, negative);
    }
    let fraction = digits - whole;
    let (exponent, end) = read_exponent(text, i, b'e');
    let end = end.unwrap_or(i);
    let power = exponent - fraction as i64;
    if digits <= 18 && mantissa <= 1 << 53 && power.unsigned_abs() <= 22 {
        // Both are exact, so that the result is rounded once.
        let scale = POWERS[power.unsigned_abs() as usize];
        let n = if power < 0 {
            mantissa as f64 / scale
        } else {
            mantissa as f64 * scale
        };
        return Some((Number::Float(if negative { -n } else { n }), end));
    }
    let number = std::str::from_utf8(&text[..end]).ok()?;
    if whole == end - sign
        && let Ok(n) = number.parse::<i64>()
        && n != 0
    {
        return Some((Number::Int(n), end));
    }
    Some((Number::Float(number.parse().ok()?), end))
}

/// `-0` is a float, since integers have no such number.
fn zero(negative: bool) -> Number {
    if negative {
        Number::Float(-0.0)
    } else {
        Number::Int(0)
    }
}

/// An exponent at `i`, if there is one behind its letter, and where it ends. One that is absurd stays within bounds.
fn read_exponent(text: &[u8], i: usize, letter: u8) -> (i64, Option<usize>) {
    let at = |i: usize| text.get(i).copied().unwrap_or(0);
    if at(i) | 0x20 != letter {
        return (0, None);
    }
    let mut i = i + 1;
    let negative = at(i) == b'-';
    i += usize::from(matches!(at(i), b'-' | b'+'));
    if !at(i).is_ascii_digit() {
        return (0, None);
    }
    let mut n: i64 = 0;
    while at(i).is_ascii_digit() {
        n = (n * 10 + i64::from(at(i) - b'0')).min(1 << 40);
        i += 1;
    }
    (if negative { -n } else { n }, Some(i))
}

/// The hexadecimal number at `i`, behind its `0x`.
fn read_hex(text: &[u8], mut i: usize) -> Option<(f64, usize)> {
    let at = |i: usize| text.get(i).copied().unwrap_or(0);
    let digit = |i: usize| char::from(at(i)).to_digit(16);
    let (mut mantissa, mut exponent, mut digits): (u64, i64, usize) = (0, 0, 0);
    let mut behind_point = false;
    loop {
        if at(i) == b'.' && !behind_point && (digits > 0 || digit(i + 1).is_some()) {
            behind_point = true;
            i += 1;
            continue;
        }
        let Some(digit) = digit(i) else { break };
        digits += 1;
        i += 1;
        if mantissa >> 60 == 0 {
            mantissa = mantissa << 4 | u64::from(digit);
            exponent -= i64::from(behind_point) * 4;
        } else {
            // What is cut off still decides about a half.
            mantissa |= u64::from(digit != 0);
            exponent += i64::from(!behind_point) * 4;
        }
    }
    if digits == 0 {
        return None;
    }
    let power = read_exponent(text, i, b'p');
    exponent += power.0;
    let mut n = mantissa as f64;
    // In steps, since a power of two may be out of range where the result is not.
    while exponent != 0 && n != 0.0 && n.is_finite() {
        let step = exponent.clamp(-1000, 1000);
        n *= 2f64.powi(step as i32);
        exponent -= step;
    }
    Some((n, power.1.unwrap_or(i)))
}

/// `inf`, `infinity` or `nan`, in any case.
fn read_word(text: &[u8], sign: usize, negative: bool) -> Option<(Number, usize)> {
    let rest = &text[sign.min(text.len())..];
    let begins = |word: &[u8]| {
        rest.get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    let (n, len) = if begins(b"infinity") {
        (f64::INFINITY, 8)
    } else if begins(b"inf") {
        (f64::INFINITY, 3)
    } else if begins(b"nan") {
        let mut len = 3;
        if rest.get(3) == Some(&b'(') {
            let inside = rest[4..]
                .iter()
                .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
                .count();
            if rest.get(4 + inside) == Some(&b')') {
                len = 5 + inside;
            }
        }
        (f64::NAN, len)
    } else {
        return None;
    };
    Some((Number::Float(if negative { -n } else { n }), sign + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(n: f64, precision: usize) -> String {
        let mut out = Vec::new();
        write_float(&mut out, n, precision);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn floats_are_written_as_c_does() {
        for (n, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (0.1, "0.1"),
            (1.0 / 3.0, "0.33333333333333"),
            (2.0 / 3.0, "0.66666666666667"),
            (100.0, "100"),
            (1e13, "10000000000000"),
            (1e14, "1e+14"),
            (1e15, "1e+15"),
            (123456789012345.0, "1.2345678901234e+14"),
            (1e100, "1e+100"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.00012345, "0.00012345"),
            (1.5e-10, "1.5e-10"),
            (99999999999999.9, "1e+14"),
            (0.999999999999999, "1"),
            (5e-324, "4.9406564584125e-324"),
            (f64::MAX, "1.7976931348623e+308"),
            (f64::INFINITY, "inf"),
            (-f64::INFINITY, "-inf"),
            // Halves: the even one, if it is one.
            (1234567890123.25, "1234567890123.2"),
            (1234567890123.75, "1234567890123.8"),
            (0.5, "0.5"),
        ] {
            assert_eq!(written(n, 14), text);
        }
        assert_eq!(written(1.0 / 3.0, 3), "0.333");
        assert_eq!(written(2.5, 1), "2");
        assert_eq!(written(3.5, 1), "4");
        assert_eq!(written(12345.0, 3), "1.23e+04");
        assert_eq!(written(0.1 + 0.2, 17), "0.30000000000000004");
        assert_eq!(written(9.5, 1), "1e+01");
    }

    #[test]
    fn numbers_are_read_as_c_does() {
        let int = |n, len| Some((Number::Int(n), len));
        let float = |n, len| Some((Number::Float(n), len));
        for (text, read) in [
            ("0", int(0, 1)),
            ("12,", int(12, 2)),
            ("-12", int(-12, 3)),
            ("+5", int(5, 2)),
            ("0123", int(123, 4)),
            ("9223372036854775807", int(i64::MAX, 19)),
            ("-9223372036854775808", int(i64::MIN, 20)),
            ("9223372036854775808", float(9223372036854775808.0, 19)),
            ("000000000000000000000000001", int(1, 27)),
            ("0000000000000000000000", float(0.0, 22)),
            ("1.5", float(1.5, 3)),
            ("1.", float(1.0, 2)),
            ("-.5", float(-0.5, 3)),
            ("1.e2", float(100.0, 4)),
            ("1e", float(1.0, 1)),
            ("1e+", float(1.0, 1)),
            ("1e5x", float(1e5, 3)),
            ("1.5p3", float(1.5, 3)),
            ("0.1", float(0.1, 3)),
            ("3.14159265358979323846", float(std::f64::consts::PI, 22)),
            ("1e400", float(f64::INFINITY, 5)),
            ("1e-400", float(0.0, 6)),
            ("1e99999999999999999999", float(f64::INFINITY, 22)),
            ("0x10", float(16.0, 4)),
            ("0x6.ffp1", float(13.9921875, 8)),
            ("0x", int(0, 1)),
            ("0xg", int(0, 1)),
            ("0x.8", float(0.5, 4)),
            ("-0x1p-3", float(-0.125, 7)),
            ("Infinity", float(f64::INFINITY, 8)),
            ("-infi", float(f64::NEG_INFINITY, 4)),
            ("", None),
            ("-", None),
            (".", None),
            ("-.e1", None),
            ("x", None),
            ("+-1", None),
        ] {
            assert_eq!(read_number(text.as_bytes()), read, "{text}");
        }
        let Some((Number::Float(zero), 2)) = read_number(b"-0") else {
            panic!("no float");
        };
        assert!(zero == 0.0 && zero.is_sign_negative());
        for (text, len) in [("nan", 3), ("-NaN", 4), ("nan(a1)", 7), ("nan(a", 3)] {
            let Some((Number::Float(n), read)) = read_number(text.as_bytes()) else {
                panic!("no float");
            };
            assert!(n.is_nan() && read == len, "{text}");
        }
    }
}

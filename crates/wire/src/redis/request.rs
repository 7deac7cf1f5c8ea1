//! Commands: an array of strings each.

/// The beginning of a command of `count` words, its name among them.
pub fn begin(out: &mut Vec<u8>, count: usize) {
    line(out, b'*', count);
}

/// A word of any bytes.
pub fn word(out: &mut Vec<u8>, bytes: &[u8]) {
    line(out, b'$', bytes.len());
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

/// A word that is not there. Servers refuse it; skynet (C) sends it for nil.
pub fn nil(out: &mut Vec<u8>) {
    out.extend_from_slice(b"$-1\r\n");
}

fn line(out: &mut Vec<u8>, kind: u8, number: usize) {
    let mut digits = [0; 20];
    let mut rest = number;
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.push(kind);
    out.extend_from_slice(&digits[at..]);
    out.extend_from_slice(b"\r\n");
}

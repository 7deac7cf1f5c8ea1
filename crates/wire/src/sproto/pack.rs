//! 0-packing: eight bytes become a byte that says which of them are not zero, and those.
//!
//! Words without zeros come in runs: `ff`, the number of words minus one, and the words as they are. A run takes in
//! words with up to two zeros, since that costs less than to interrupt it.

use super::Error;

/// Words of the longest run.
const LONGEST_RUN: usize = 256;

/// Appends the packed form of `input`, which counts as padded with zeros to a multiple of eight.
pub fn pack(input: &[u8], out: &mut Vec<u8>) {
    // Where the current run begins in the input, and its words.
    let (mut run, mut words) = (0, 0);
    for (i, chunk) in input.chunks(8).enumerate() {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        let marks = word
            .iter()
            .enumerate()
            .fold(0u8, |m, (bit, &b)| m | u8::from(b != 0) << bit);
        let full = marks.count_ones();
        if full == 8 || (full >= 6 && words > 0) {
            if words == 0 {
                run = i * 8;
            }
            words += 1;
            if words == LONGEST_RUN {
                finish_run(input, run, &mut words, out);
            }
        } else {
            finish_run(input, run, &mut words, out);
            out.push(marks);
            out.extend(word.iter().filter(|&&b| b != 0));
        }
    }
    finish_run(input, run, &mut words, out);
}

fn finish_run(input: &[u8], run: usize, words: &mut usize, out: &mut Vec<u8>) {
    if *words == 0 {
        return;
    }
    let end = run + *words * 8;
    out.extend([0xff, (*words - 1) as u8]);
    out.extend_from_slice(&input[run..end.min(input.len())]);
    out.extend(std::iter::repeat_n(0, end.saturating_sub(input.len())));
    *words = 0;
}

/// Appends the unpacked form of `input`: a multiple of eight bytes.
///
/// # Errors
/// [`Error::Unpack`] if the input ends too early.
pub fn unpack(input: &[u8], out: &mut Vec<u8>) -> Result<(), Error> {
    let mut rest = input;
    while let Some((&marks, after)) = rest.split_first() {
        rest = after;
        if marks == 0xff {
            let (&words, after) = rest.split_first().ok_or(Error::Unpack)?;
            let run = (usize::from(words) + 1) * 8;
            let (raw, after) = after.split_at_checked(run).ok_or(Error::Unpack)?;
            out.extend_from_slice(raw);
            rest = after;
            continue;
        }
        let (bytes, after) = rest
            .split_at_checked(marks.count_ones() as usize)
            .ok_or(Error::Unpack)?;
        let mut bytes = bytes.iter();
        for bit in 0..8 {
            let marked = marks >> bit & 1 != 0;
            out.push(if marked {
                *bytes.next().ok_or(Error::Unpack)?
            } else {
                0
            });
        }
        rest = after;
    }
    Ok(())
}

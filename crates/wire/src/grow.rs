//! Buffers for content whose length a peer has announced.

/// Appends `bytes` to `buf`, which will hold at most `bound` bytes in the end.
///
/// An announced length is not believed before the bytes are there: a peer that announces much and sends
/// little costs little. So the buffer doubles as bytes come in, and never becomes larger than the bound.
///
/// The caller has seen to it that the bytes fit in the bound.
pub(crate) fn append(buf: &mut Vec<u8>, bytes: &[u8], bound: usize) {
    let needed = buf.len() + bytes.len();
    debug_assert!(needed <= bound);
    if needed > buf.capacity() {
        let capacity = needed.max(buf.capacity().saturating_mul(2)).min(bound);
        buf.reserve_exact(capacity - buf.len());
    }
    buf.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::append;

    #[test]
    fn the_bound_is_not_reserved_before_the_bytes_are_there() {
        let mut buf = Vec::new();
        append(&mut buf, &[0; 10], 1 << 20);
        assert!(buf.capacity() < 100);
    }

    #[test]
    fn many_small_pieces_move_the_buffer_rarely() {
        let (mut buf, mut moves) = (Vec::new(), 0);
        for _ in 0..10_000 {
            let capacity = buf.capacity();
            append(&mut buf, &[0; 10], 100_000);
            moves += usize::from(buf.capacity() != capacity);
        }
        assert!(moves < 20);
        assert!(buf.capacity() < 100_000 + 100);
    }
}

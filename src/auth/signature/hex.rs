//! Bytes as hexadecimal digits and back.

/// The digit of a number below 16, in lower case.
pub(super) fn digit(number: u8) -> u8 {
    match number & 15 {
        small @ 0..=9 => b'0' + small,
        large => b'a' + (large - 10),
    }
}

/// The number of a digit in either case.
pub(super) fn number(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// Appends bytes as digits in lower case.
pub(super) fn push(text: &mut Vec<u8>, bytes: &[u8]) {
    text.extend(bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(*byte)]));
}

/// The 32 bytes of 64 digits.
pub(super) fn read(text: &[u8]) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digits.iter().try_fold(0, |high, digit| Some(high << 4 | number(*digit)?))?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_in_lower_case_and_read_in_either() {
        let bytes: [u8; 32] = std::array::from_fn(|i| u8::try_from(i * 8 + i / 4).unwrap());
        let mut text = Vec::new();
        push(&mut text, &bytes);
        assert!(text.starts_with(b"0008101821"));
        assert_eq!(read(&text), Some(bytes));
        assert_eq!(read(&text.to_ascii_uppercase()), Some(bytes));
        for wrong in [&text[1..], &text[2..], b"", &[b'g'; 64], &[b'0'; 65]] {
            assert_eq!(read(wrong), None);
        }
    }
}

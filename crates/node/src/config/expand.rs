//! Replacement of `$NAME` by environment variables, before a configuration file is compiled.

/// Replaces every `$` that is followed by letters, digits or `_` by the value that `variable` gives for that name.
///
/// The text is not understood in any way, so names in comments are replaced as well. Replaced text is not looked at
/// again. A result longer than `limit` bytes is cut off by an error.
pub(super) fn expand(
    text: &[u8],
    limit: usize,
    mut variable: impl FnMut(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let mut result = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.iter().position(|&byte| byte == b'$') {
        let (plain, tail) = rest.split_at(at);
        result.extend_from_slice(plain);
        let after = &tail[1..];
        let length = after
            .iter()
            .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_')
            .count();
        let (name, after) = after.split_at(length);
        if name.is_empty() {
            result.push(b'$');
        } else {
            match variable(name) {
                Some(value) => result.extend_from_slice(&value),
                None => {
                    let before = text.len() - tail.len();
                    let lines = text[..before].iter().filter(|&&byte| byte == b'\n').count();
                    return Err(Failure::Undefined {
                        name: String::from_utf8_lossy(name).into_owned(),
                        line: lines as u32 + 1,
                    });
                }
            }
        }
        if result.len() > limit {
            return Err(Failure::TooLarge);
        }
        rest = after;
    }
    result.extend_from_slice(rest);
    if result.len() > limit {
        Err(Failure::TooLarge)
    } else {
        Ok(result)
    }
}

/// Why a text cannot be expanded.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There is no variable of this name, which is in this line.
    Undefined { name: String, line: u32 },
    /// The text is longer than the limit.
    TooLarge,
}

#[cfg(test)]
mod tests {
    use super::{Failure, expand};

    fn with(text: &str) -> Result<String, Failure> {
        let variable = |name: &[u8]| match name {
            b"HOME" => Some(b"/home/x".to_vec()),
            b"A_1" => Some(b"$HOME".to_vec()),
            b"EMPTY" => Some(Vec::new()),
            _ => None,
        };
        expand(text.as_bytes(), 40, variable).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn names_are_replaced_everywhere() {
        assert_eq!(
            with("a = '$HOME/b' -- $HOME").unwrap(),
            "a = '/home/x/b' -- /home/x"
        );
        assert_eq!(with("$EMPTY$HOME$").unwrap(), "/home/x$");
    }

    #[test]
    fn a_replacement_is_not_replaced_again() {
        assert_eq!(with("$A_1-x").unwrap(), "$HOME-x");
    }

    #[test]
    fn a_dollar_without_a_name_stays() {
        assert_eq!(with("$ $$ $-").unwrap(), "$ $$ $-");
    }

    #[test]
    fn an_undefined_name_is_an_error() {
        let error = with("$HOME\n\n-- $HOMER\n").unwrap_err();
        let name = "HOMER".into();
        assert_eq!(error, Failure::Undefined { name, line: 3 });
    }

    #[test]
    fn the_result_is_bounded() {
        assert_eq!(with(&"x".repeat(41)).unwrap_err(), Failure::TooLarge);
        assert_eq!(with(&"$HOME".repeat(6)).unwrap_err(), Failure::TooLarge);
        assert_eq!(with(&"x".repeat(40)).unwrap().len(), 40);
    }
}

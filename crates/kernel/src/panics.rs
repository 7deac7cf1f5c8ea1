//! Panics of an application's code, as values.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a caught panic carries.
pub type Caught = Box<dyn Any + Send>;

/// What a panic says.
pub fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("(no text)")
}

/// Drops what belongs to an application. What its destructor panics with is returned: it may have one, too, that
/// panics.
///
/// # Errors
/// The destructor has panicked.
pub fn discard<T>(value: T) -> Result<(), Caught> {
    catch_unwind(AssertUnwindSafe(|| drop(value)))
}

/// Drops what a panic carried. It may be any value, and its destructor may panic again, which nobody needs to know.
pub fn dispose(panic: Caught) {
    if let Err(again) = discard(panic) {
        // It is not dropped: its destructor might panic again.
        std::mem::forget(again);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bad(u32);

    impl Drop for Bad {
        fn drop(&mut self) {
            if self.0 > 0 {
                std::panic::panic_any(Bad(self.0 - 1));
            }
        }
    }

    #[test]
    fn values_that_panic_again_and_again_do_no_harm() {
        assert!(discard("fine").is_ok());
        for depth in 0..4 {
            if let Err(panic) = discard(Bad(depth)) {
                assert_eq!(text(&*panic), "(no text)");
                dispose(panic);
            } else {
                assert_eq!(depth, 0);
            }
        }
        let said = |panic: Caught| text(&*panic).to_owned();
        assert_eq!(
            catch_unwind(|| panic!("so")).map_err(said),
            Err::<(), _>("so".into())
        );
        assert_eq!(
            catch_unwind(|| panic!("so {}", 1)).map_err(said),
            Err::<(), _>("so 1".into())
        );
    }
}

//! Keeps a panic in one test from ending the run. Used where the threads of a test start.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs the body. A panic in it becomes an error with its message.
///
/// The panic hook has already printed the source line to stderr. The caller may only report and
/// drop values that the body had borrowed mutably.
pub fn contain<T>(body: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(body)).map_err(|payload| message(payload.as_ref()))
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("a panic without a message");
    format!("internal error: {}", crate::text::line(text.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panic_becomes_an_error_with_its_message() {
        assert_eq!(contain(|| 7), Ok(7));
        let number = std::hint::black_box(u64::MAX);
        let overflow =
            contain(|| std::time::Instant::now() + std::time::Duration::from_secs(number));
        let expect = "internal error: overflow when adding duration to instant";
        assert_eq!(overflow.err().as_deref(), Some(expect));
        let formatted = contain(|| -> () { panic!("test {number}") });
        assert_eq!(formatted, Err(format!("internal error: test {number}")));
        let other = contain(|| std::panic::panic_any(7));
        assert_eq!(
            other,
            Err("internal error: a panic without a message".to_owned())
        );
    }
}

//! The terminal between a user and a shell in a guest.
//!
//! In the guest, `guest-tests/lib/shell.sh` calls the helper commands `shell_user`, `shell_keys`,
//! `shell_output` and `shell_end`, which are methods here. Each user gets a number, so that the shell of
//! one who has left neither reads nor prints for the next.

use std::io::{self, Write as _};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use host::wait::{self, Limit};

/// Number of typed bytes that wait for the guest before the user has to wait.
const KEYS_MAX: usize = 64 << 10;
/// Interval at which a write to a slow user checks whether the guest has ended.
const WRITE_TICK: Duration = Duration::from_millis(200);

/// The terminal of the shell of one guest.
#[derive(Debug, Default)]
pub struct ShellPort {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    last: u64,
    /// The latest call that waits for a user. An earlier one is of an earlier boot.
    turn: u64,
    user: Option<User>,
    closed: bool,
}

#[derive(Debug)]
struct User {
    number: u64,
    /// Whether a shell serves the user.
    is_served: bool,
    size: (u16, u16),
    keys: Vec<u8>,
    stream: Arc<UnixStream>,
}

/// Another user has the shell of the guest.
#[derive(Debug, thiserror::Error)]
#[error("another `cargo xtask shell` is attached to this guest")]
pub struct Busy;

impl ShellPort {
    /// A user arrives. Returns the user's number.
    pub(crate) fn enter(&self, stream: UnixStream, size: (u16, u16)) -> Result<u64, Busy> {
        let mut state = self.lock();
        if state.user.is_some() {
            return Err(Busy);
        }
        state.last += 1;
        let number = state.last;
        state.user = Some(User {
            number,
            is_served: false,
            size,
            keys: Vec::new(),
            stream: Arc::new(stream),
        });
        self.changed.notify_all();
        Ok(number)
    }

    /// The user types. Waits while the guest is behind.
    pub(crate) fn typed(&self, number: u64, bytes: &[u8]) {
        let waited = wait::until(&self.state, &self.changed, Limit::default(), |state| {
            let closed = state.closed;
            match state.user(number) {
                Some(user) if user.keys.len() > KEYS_MAX && !closed => None,
                Some(user) => {
                    user.keys.extend_from_slice(bytes);
                    Some(())
                }
                None => Some(()),
            }
        });
        // The wait has no limit.
        let _ = waited;
        self.changed.notify_all();
    }

    /// The user leaves.
    pub(crate) fn leave(&self, number: u64) {
        let mut state = self.lock();
        if state.user(number).is_some() {
            state.user = None;
        }
        self.changed.notify_all();
    }

    /// The guest has ended.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// `shell_user`: waits for a user. Returns the user's number and the size of the terminal. A call of
    /// the guest's next boot takes over the user, whose shell is gone.
    pub fn user(&self, limit: Limit<'_>) -> Option<(u64, (u16, u16))> {
        let turn = {
            let mut state = self.lock();
            state.turn += 1;
            if let Some(user) = &mut state.user {
                user.is_served = false;
            }
            state.turn
        };
        self.changed.notify_all();
        let waited = wait::until(&self.state, &self.changed, limit, |state| {
            if state.closed || state.turn != turn {
                return Some(None);
            }
            let user = state.user.as_mut().filter(|user| !user.is_served)?;
            user.is_served = true;
            Some(Some((user.number, user.size)))
        });
        waited.ok().flatten()
    }

    /// `shell_keys`: waits for keys of a user. `None` if the user has left.
    pub fn keys(&self, number: u64, limit: Limit<'_>) -> Option<String> {
        let waited = wait::until(&self.state, &self.changed, limit, |state| {
            if state.closed {
                return Some(None);
            }
            let Some(user) = state.user(number) else {
                return Some(None);
            };
            take_text(&mut user.keys).map(Some)
        });
        self.changed.notify_all();
        waited.ok().flatten()
    }

    /// `shell_output`: prints for a user. Returns whether the user is still here.
    pub fn output(&self, number: u64, text: &str) -> bool {
        let Some(stream) = self.stream(number) else {
            return false;
        };
        let mut rest = text.as_bytes();
        while !rest.is_empty() && !self.lock().closed {
            let written = stream
                .set_write_timeout(Some(WRITE_TICK))
                .and_then(|()| (&*stream).write(rest));
            match written {
                Ok(length) => rest = &rest[length..],
                Err(error) if is_temporary(&error) => {}
                Err(_) => return false,
            }
        }
        true
    }

    /// `shell_end`: the shell of a user has exited.
    pub fn end(&self, number: u64) {
        if let Some(stream) = self.stream(number) {
            // The user may have left already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn stream(&self, number: u64) -> Option<Arc<UnixStream>> {
        let mut state = self.lock();
        Some(Arc::clone(&state.user(number)?.stream))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a write may succeed later: the user is slow, or a signal arrived.
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted
    )
}

impl State {
    fn user(&mut self, number: u64) -> Option<&mut User> {
        self.user.as_mut().filter(|user| user.number == number)
    }
}

/// Takes what is complete: the rest of a character may still arrive.
fn take_text(bytes: &mut Vec<u8>) -> Option<String> {
    let end = match std::str::from_utf8(bytes) {
        Err(error) if error.error_len().is_none() => error.valid_up_to(),
        _ => bytes.len(),
    };
    let rest = bytes.split_off(end);
    let text = std::mem::replace(bytes, rest);
    (!text.is_empty()).then(|| String::from_utf8_lossy(&text).into_owned())
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    const SIZE: (u16, u16) = (80, 24);

    fn soon<'a>() -> Limit<'a> {
        Limit::within(Duration::from_secs(60))
    }

    #[test]
    fn keys_and_output_pass_between_user_and_shell() {
        let port = ShellPort::default();
        let (near, mut far) = UnixStream::pair().unwrap();
        let user = port.enter(near, SIZE).unwrap();
        assert_eq!(port.user(soon()), Some((user, SIZE)));
        port.typed(user, "grüße".as_bytes());
        assert_eq!(port.keys(user, soon()).as_deref(), Some("grüße"));
        assert!(port.output(user, "# "));
        port.end(user);
        let mut seen = String::new();
        far.read_to_string(&mut seen).unwrap();
        assert_eq!(seen, "# ");
    }

    #[test]
    fn user_gets_nothing_of_the_previous_shell() {
        let port = ShellPort::default();
        let stream = || UnixStream::pair().unwrap().0;
        let first = port.enter(stream(), SIZE).unwrap();
        assert!(port.enter(stream(), SIZE).is_err());
        assert_eq!(port.user(soon()), Some((first, SIZE)));
        port.leave(first);
        let second = port.enter(stream(), SIZE).unwrap();
        port.typed(second, b"x");
        assert_eq!(port.keys(first, soon()), None);
        assert!(!port.output(first, "x"));
        assert_eq!(port.user(soon()), Some((second, SIZE)));
        assert_eq!(port.keys(second, soon()).as_deref(), Some("x"));
    }

    #[test]
    fn next_boot_takes_over_the_user() {
        let port = ShellPort::default();
        std::thread::scope(|scope| {
            let earlier = scope.spawn(|| port.user(soon()));
            // Whichever of the two calls is later gets the user.
            let later = scope.spawn(|| port.user(soon()));
            let user = port.enter(UnixStream::pair().unwrap().0, SIZE).unwrap();
            let served = wait::poll(soon(), || {
                let is_served = port.lock().user(user)?.is_served;
                is_served.then_some(())
            });
            served.unwrap();
            port.close();
            let both = [earlier.join().unwrap(), later.join().unwrap()];
            assert!(both.contains(&Some((user, SIZE))), "{both:?}");
        });
        assert_eq!(port.user(soon()), None);
    }

    #[test]
    fn incomplete_character_waits_for_its_rest() {
        let check = |bytes: &[u8], taken: Option<&str>, rest: &[u8]| {
            let mut bytes = bytes.to_vec();
            assert_eq!(take_text(&mut bytes).as_deref(), taken);
            assert_eq!(bytes, rest);
        };
        check(b"", None, b"");
        check("aé".as_bytes(), Some("aé"), b"");
        check(&"aé".as_bytes()[..2], Some("a"), &"é".as_bytes()[..1]);
        check(&"é".as_bytes()[..1], None, &"é".as_bytes()[..1]);
        check(b"\xff\xffa", Some("\u{fffd}\u{fffd}a"), b"");
    }
}

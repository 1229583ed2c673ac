//! Handles a guest's records, and sends the answers.

use std::sync::Arc;

use verdict::outcome::Outcome;
use verdict::text::last_line;

use super::location::Location;
use super::{Arrival, FLOOD, Guest, Host, NOTES_MAX, Session, Start, not_refused};
use crate::fold::Happened;
use crate::protocol::{FromGuest, Nonce, Received, Sender};

impl Session<'_> {
    pub(super) fn take_records(
        &mut self,
        bytes: &[u8],
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        for received in self.conversation.receiver.take(bytes) {
            let outcome = match received {
                Received::Record(record) => self.take_record(record, guest, host),
                Received::Noted(text) => {
                    self.note(host, text);
                    None
                }
            };
            if outcome.is_some() {
                return outcome;
            }
        }
        None
    }

    pub(super) fn note(&mut self, host: &mut dyn Host, text: String) {
        self.notes += 1;
        if self.notes <= NOTES_MAX {
            host.note(text);
        }
    }

    fn take_record(
        &mut self,
        record: FromGuest,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        match record {
            // The answer to its hello was lost in the previous QEMU, so it gets another one.
            FromGuest::Hello { .. }
                if self.conversation.migrated && !self.conversation.receiver.has_heard() =>
            {
                if self.conversation.sender.take().is_some() {
                    self.conversation.boots = self.conversation.boots.saturating_sub(1);
                }
                self.conversation.migrated = false;
                self.hand_over(guest, host)
            }
            FromGuest::Hello { .. } if self.conversation.epoch.may_be_in_boot => {
                self.conversation.epoch.may_be_in_boot = false;
                if self.conversation.sender.is_some() {
                    self.conversation.boots = self.conversation.boots.saturating_sub(1);
                    self.conversation.reboots(Arc::clone(&self.waker));
                }
                self.hand_over(guest, host)
            }
            // A kernel that was started by kexec: QEMU reports no reset. The first hello is ignored
            // because the event of an ordinary reset may arrive after it, on another channel.
            FromGuest::Hello { .. }
                if self.conversation.sender.is_some() && self.conversation.fold.may_reboot() =>
            {
                if !std::mem::replace(&mut self.conversation.heard_hello, true) {
                    return None;
                }
                let outcome = self.happened(&Happened::Reset { guest: true });
                outcome.or_else(|| self.hand_over(guest, host))
            }
            // A guest repeats hello until it is answered. Later ones are late, or from another
            // process.
            FromGuest::Hello { .. } if self.conversation.sender.is_some() => None,
            FromGuest::Hello { .. } => self.hand_over(guest, host),
            FromGuest::Out(bytes) => {
                host.output(&bytes);
                self.conversation.keep_tail(&bytes);
                let flood = Happened::Flood {
                    channel: "output",
                    limit: FLOOD,
                };
                if self.conversation.output_bytes > FLOOD {
                    self.happened(&flood)
                } else {
                    None
                }
            }
            FromGuest::Call(call) => {
                self.conversation.last_call = call.id;
                let text = || verdict::text::line(call.args.join(" ").as_bytes());
                let (status, text) = match call.word.as_str() {
                    "skip" => {
                        self.conversation.fold.take(&Happened::SkipReason(text()));
                        (0, String::new())
                    }
                    "fail" => {
                        self.conversation.fold.take(&Happened::FailReason(text()));
                        (0, String::new())
                    }
                    "failed_at" => {
                        if let Some(place) = host.failed_at(&call.args) {
                            self.conversation.fold.take(&Happened::FailedAt(place));
                        }
                        (0, String::new())
                    }
                    "shell" => {
                        let opened = host.call(&call, &self.conversation.replies)?;
                        let status = call.args.first().and_then(|status| status.parse().ok());
                        if let (0, Some(status)) = (opened.0, status) {
                            let last_line = last_line(&self.conversation.output_tail);
                            let shell = Happened::Shell { status, last_line };
                            self.conversation.fold.take(&shell);
                        }
                        opened
                    }
                    _ => host.call(&call, &self.conversation.replies)?,
                };
                self.reply(guest, call.id, status, &text)
            }
            // Only a guest that is saved or restored sends these, before it has a test.
            FromGuest::Prepared { .. } | FromGuest::Resumed { .. } => {
                self.note(host, "a record that belongs to no test".to_owned());
                None
            }
            FromGuest::Leaving(leave) => self.happened(&Happened::Leaving(leave)),
            FromGuest::End { status, taint } => {
                let last_line = last_line(&self.conversation.output_tail);
                self.happened(&Happened::End {
                    status,
                    taint,
                    last_line,
                })
            }
        }
    }

    /// Sends the available answers.
    pub(super) fn answer(&mut self, guest: &mut dyn Guest) -> Option<Outcome> {
        let answers = self.conversation.replies.take();
        answers
            .into_iter()
            .find_map(|answer| self.reply(guest, answer.id, answer.status, &answer.text))
    }

    fn reply(
        &mut self,
        guest: &mut dyn Guest,
        id: u64,
        status: i32,
        text: &str,
    ) -> Option<Outcome> {
        let sender = self.conversation.sender.as_mut()?;
        let records = sender.reply(id, status, text.as_bytes());
        self.send(guest, &records)
    }

    /// Answers a hello with the nonce, files, environment and the command to run.
    fn hand_over(&mut self, guest: &mut dyn Guest, host: &mut dyn Host) -> Option<Outcome> {
        if self.policy.start == Start::Refused {
            return Some(not_refused());
        }
        let nonce = match Nonce::random() {
            Ok(nonce) => nonce,
            Err(error) => {
                return Some(Outcome::HarnessError {
                    message: format!("no random numbers: {error}"),
                });
            }
        };
        let mut sender = Sender::new(nonce.clone());
        self.conversation.receiver.expect(nonce);
        let start = sender.start(self.conversation.boots);
        self.give_test(sender, start, guest, host)
    }

    /// Sends the test to a restored guest, which has its nonce and sends no hello.
    pub(super) fn hand_over_restored(
        &mut self,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        let Arrival::Restored(nonce) = &self.policy.arrival else {
            return None;
        };
        let mut sender = Sender::resumed(nonce.clone());
        self.conversation.receiver.expect_resumed(nonce.clone());
        let now = host::clock::now().duration_since(std::time::UNIX_EPOCH);
        let clock = sender.clock(now.unwrap_or_default());
        self.give_test(sender, clock, guest, host)
    }

    /// Sends files, environment and the command to run, after the guest's first record.
    fn give_test(
        &mut self,
        mut sender: Sender,
        mut bytes: Vec<u8>,
        guest: &mut dyn Guest,
        host: &mut dyn Host,
    ) -> Option<Outcome> {
        if let Location::Here(id) = self.location {
            self.policy.handoff.name(id, sender.nonce().as_str());
        }
        for (path, mode, content) in &self.handover.files {
            bytes.extend(sender.put(path, *mode, content));
        }
        for (name, value) in &self.handover.environment {
            bytes.extend(sender.set(name, value));
        }
        bytes.extend(sender.run(&self.handover.run));
        self.conversation.sender = Some(sender);
        self.conversation.boots += 1;
        self.conversation.begins();
        let outcome = self.happened(&Happened::Ready);
        host.ready();
        outcome.or_else(|| self.send(guest, &bytes))
    }

    pub(super) fn send(&mut self, guest: &mut dyn Guest, bytes: &[u8]) -> Option<Outcome> {
        // A separate event reports a guest that is gone.
        let why = guest.send(bytes).err()?;
        self.happened(&Happened::Unheard(why))
    }
}

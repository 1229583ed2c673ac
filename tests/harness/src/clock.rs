//! A clock for tests of time limits. Each sample of it is four seconds later than the one before.

use std::collections::BTreeSet;
use std::time::Duration;

use host::load::CpuTime;
use host::test_time::{Source, Threads};

/// The time between two samples. More than five seconds would count as a suspended host.
pub const STEP: Duration = Duration::from_secs(4);

/// What happens at a sample.
struct Event {
    samples: u32,
    act: Box<dyn FnOnce() + Send>,
}

/// The clock, and what the processes do between two samples.
pub struct Steps {
    activity: CpuTime,
    samples: u32,
    event: Option<Event>,
    is_over: bool,
}

impl std::fmt::Debug for Steps {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} samples", self.samples)
    }
}

impl Steps {
    /// Processes that wait for something other than a processor.
    #[must_use]
    pub fn idle() -> Self {
        Self::with(CpuTime::default())
    }

    /// Processes that run all the time.
    #[must_use]
    pub fn computing() -> Self {
        Self::with(CpuTime {
            ran: STEP,
            ..CpuTime::default()
        })
    }

    /// Processes to which the host gives no processor.
    #[must_use]
    pub fn starved() -> Self {
        Self::with(CpuTime {
            waited: STEP,
            ..CpuTime::default()
        })
    }

    /// Acts at this sample. From then on, the clock stands still.
    #[must_use]
    pub fn until(self, samples: u32, act: impl FnOnce() + Send + 'static) -> Self {
        Self {
            event: Some(Event {
                samples,
                act: Box::new(act),
            }),
            ..self
        }
    }

    fn with(activity: CpuTime) -> Self {
        Self {
            activity,
            samples: 0,
            event: None,
            is_over: false,
        }
    }
}

impl Source for Steps {
    fn wall(&mut self) -> Duration {
        if !self.is_over {
            self.samples += 1;
        }
        if let Some(event) = self.event.take_if(|event| event.samples == self.samples) {
            (event.act)();
            self.is_over = true;
        }
        STEP * self.samples
    }

    fn threads(&mut self, processes: &BTreeSet<u32>) -> Threads {
        let time = CpuTime {
            ran: self.activity.ran * self.samples,
            waited: self.activity.waited * self.samples,
        };
        processes.iter().map(|process| (*process, time)).collect()
    }

    fn is_runnable(&mut self, _: u32) -> bool {
        false
    }

    fn is_stopped(&mut self, _: &BTreeSet<u32>) -> bool {
        false
    }
}

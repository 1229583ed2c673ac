//! Shows the progress of downloads and builds on stderr: bars on a terminal, plain lines elsewhere.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use forge::event::Event;
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failures::Failures;
use super::total::Total;
use xtask::output::{self, Color, Style};
use xtask::render::quantity;

/// Shows events until it is dropped.
pub(crate) struct BuildProgress {
    style: Style,
    quiet: bool,
    verbose: bool,
    bars: MultiProgress,
    running: BTreeMap<String, Running>,
    failures: Failures,
    /// The total over all files, if several are fetched.
    total: Option<Total>,
}

/// An activity in progress.
struct Running {
    bar: ProgressBar,
    /// The time of its last plain line.
    reported: Instant,
}

/// Interval between plain lines of a download without a terminal.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);

impl BuildProgress {
    /// Creates an empty display.
    pub(crate) fn new(style: Style, quiet: bool, verbose: bool) -> Self {
        let target = if style.interactive && !quiet {
            ProgressDrawTarget::stderr()
        } else {
            ProgressDrawTarget::hidden()
        };
        let bars = MultiProgress::with_draw_target(target);
        Self {
            style,
            quiet,
            verbose,
            bars,
            running: BTreeMap::new(),
            failures: Failures::default(),
            total: None,
        }
    }

    /// Shows one event.
    pub(crate) fn show(&mut self, event: impl Into<Event>) {
        match event.into() {
            Event::Fetch(event) => self.show_fetch(event),
            Event::Unpack(event) => self.show_unpack(event),
            Event::StepStarted { recipe, arch, log } => {
                let name = step_name(&recipe, arch.as_deref());
                let place = log.map_or_else(String::new, |log| format!(", log in {log}"));
                let place = if self.verbose { place } else { String::new() };
                self.print_line(Color::Green, "Building", &format!("{name}{place}"));
                self.start(&name, step_style()).bar.set_message(name);
            }
            Event::StepOutput { recipe, arch, line } => {
                let name = step_name(&recipe, arch.as_deref());
                if self.verbose {
                    self.print_line(Color::Dim, &name, &line);
                } else if let Some(running) = self.running.get(&name) {
                    running.bar.set_message(format!("{name}: {}", line.trim()));
                }
            }
            Event::StepFinished {
                recipe,
                arch,
                seconds,
            } => {
                let name = step_name(&recipe, arch.as_deref());
                self.finish(&name);
                let time = quantity::time(Duration::from_secs_f64(seconds.max(0.0)));
                self.print_line(Color::Green, "Built", &format!("{name} in {time}"));
            }
            Event::Waiting { on } => self.print_line(Color::Cyan, "Waiting", &on),
            Event::Note { text } => self.print_line(Color::Cyan, "Note", &text),
        }
    }

    fn show_fetch(&mut self, event: fetch::Event) {
        use fetch::Event;

        match event {
            Event::Total { files, bytes } => self.announce(files, bytes),
            Event::Started {
                file,
                url,
                offset,
                size,
            } => {
                self.print_line(
                    Color::Green,
                    "Downloading",
                    &format!("{file} ({})", quantity::bytes(size)),
                );
                if self.verbose {
                    self.print_line(Color::Dim, "from", &url);
                }
                let bar = self.start(&file, download_style()).bar.clone();
                bar.set_length(size);
                bar.set_position(offset);
                bar.reset_eta();
                bar.set_message(file.clone());
                if let Some(total) = &mut self.total {
                    total.note(&file, offset);
                }
            }
            Event::Progress { file, done, size } => self.fetched(&file, done, size),
            Event::Failed {
                file,
                url,
                why,
                next,
            } => {
                self.finish(&file);
                let line = self.failures.line((&file, &url, &why), next, self.verbose);
                if let Some(line) = line {
                    self.print_line(Color::Yellow, "Warning", &line);
                }
            }
            Event::Finished { file, size } => {
                self.finish(&file);
                self.fetched_whole(&file, size);
            }
            Event::Waiting { file } => {
                self.print_line(Color::Cyan, "Waiting", &format!("the download of `{file}`"));
            }
        }
    }

    fn show_unpack(&mut self, event: unpack::Event) {
        use unpack::Event;

        match event {
            Event::Started { name } => {
                self.print_line(Color::Green, "Unpacking", &name);
                self.start(&format!("unpack {name}"), step_style())
                    .bar
                    .set_message(name);
            }
            Event::Progress { name, entries } => {
                if let Some(running) = self.running.get(&format!("unpack {name}")) {
                    running.bar.set_message(format!("{name}: {entries} files"));
                }
            }
            Event::Finished { name, .. } => self.finish(&format!("unpack {name}")),
            Event::Waiting { file } => {
                self.print_line(
                    Color::Cyan,
                    "Waiting",
                    &format!("the unpacking of `{file}`"),
                );
            }
        }
    }

    fn fetched(&mut self, file: &str, done: u64, size: u64) {
        let plain = !self.style.interactive;
        let Some(running) = self.running.get_mut(file) else {
            return;
        };
        running.bar.set_position(done);
        if let Some(total) = &mut self.total {
            total.note(file, done);
            if let Some(news) = total.news().filter(|_| plain) {
                self.print_line(Color::Green, "Downloading", &news);
            }
        } else if plain && running.reported.elapsed() >= PLAIN_INTERVAL {
            running.reported = Instant::now();
            let (done, size) = (quantity::bytes(done), quantity::bytes(size));
            self.print_line(
                Color::Green,
                "Downloading",
                &format!("{file}: {done} of {size}"),
            );
        }
    }

    /// Adds a line for the total of several files.
    fn announce(&mut self, files: usize, bytes: u64) {
        if files > 1 {
            let what = format!("{files} files ({})", quantity::bytes(bytes));
            self.print_line(Color::Green, "Downloading", &what);
            let bar = ProgressBar::new(bytes).with_style(download_style());
            self.total = Some(Total::new(self.bars.add(bar), files, bytes));
        }
    }

    fn fetched_whole(&mut self, file: &str, size: u64) {
        if let Some(mut total) = self.total.take() {
            if total.finish(file, size) {
                total.bar.finish_and_clear();
            } else {
                self.total = Some(total);
            }
        }
    }

    fn start(&mut self, name: &str, style: ProgressStyle) -> &Running {
        self.finish(name);
        let bar = ProgressBar::new_spinner().with_style(style);
        // The total is below the bars that it sums up.
        let bar = match &self.total {
            Some(total) => self.bars.insert_before(&total.bar, bar),
            None => self.bars.add(bar),
        };
        bar.enable_steady_tick(Duration::from_millis(200));
        let running = Running {
            bar,
            reported: Instant::now(),
        };
        self.running.insert(name.to_owned(), running);
        &self.running[name]
    }

    fn finish(&mut self, name: &str) {
        if let Some(running) = self.running.remove(name) {
            running.bar.finish_and_clear();
            self.bars.remove(&running.bar);
        }
    }

    /// Prints a line in cargo's format: a word that ends in column 12, then its subject.
    fn print_line(&self, color: Color, word: &str, text: &str) {
        if self.quiet {
            return;
        }
        let line = format!("{} {text}", self.style.paint(color, &format!("{word:>12}")));
        self.bars.suspend(|| output::note(line));
    }
}

impl Drop for BuildProgress {
    fn drop(&mut self) {
        // After a failure, bars would otherwise stay on the screen.
        let _ = self.bars.clear();
    }
}

fn step_name(recipe: &str, arch: Option<&str>) -> String {
    arch.map_or_else(|| recipe.to_owned(), |arch| format!("{recipe} ({arch})"))
}

fn download_style() -> ProgressStyle {
    style(
        "{bar:20} {decimal_bytes:>9}/{decimal_total_bytes:9} {decimal_bytes_per_sec:>11} {eta:>4} {wide_msg}",
    )
}

fn step_style() -> ProgressStyle {
    style("{spinner} {elapsed:>5} {wide_msg}")
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

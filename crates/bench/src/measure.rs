//! Takes turns, and compares medians.

use std::time::{Duration, Instant};

/// Something to be timed: a name, and one round of it.
pub(crate) struct Contender<'a> {
    pub(crate) name: String,
    pub(crate) round: Box<dyn FnMut() + 'a>,
}

impl<'a> Contender<'a> {
    pub(crate) fn new(name: impl Into<String>, round: impl FnMut() + 'a) -> Self {
        Contender { name: name.into(), round: Box::new(round) }
    }
}

/// The times of one contender, sorted.
pub(crate) struct Times {
    pub(crate) name: String,
    rounds: Vec<Duration>,
}

impl Times {
    pub(crate) fn new(name: impl Into<String>, mut rounds: Vec<Duration>) -> Self {
        rounds.sort();
        Times { name: name.into(), rounds }
    }

    pub(crate) fn median(&self) -> Duration {
        self.rounds[self.rounds.len() / 2]
    }

    fn quantile(&self, share: f64) -> Duration {
        #[allow(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "an index"
        )]
        let at = (share * (self.rounds.len() - 1) as f64).round() as usize;
        self.rounds[at]
    }

    pub(crate) fn ratio_to(&self, peer: &Times) -> f64 {
        self.median().as_secs_f64() / peer.median().as_secs_f64()
    }
}

/// Runs each contender once to warm up, then `rounds` times in turns.
pub(crate) fn in_turns(mut contenders: Vec<Contender<'_>>, rounds: usize) -> Vec<Times> {
    for contender in &mut contenders {
        (contender.round)();
    }
    let mut times: Vec<Vec<Duration>> = contenders.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for _ in 0..rounds {
        for (contender, times) in contenders.iter_mut().zip(&mut times) {
            let start = Instant::now();
            (contender.round)();
            times.push(start.elapsed());
        }
    }
    let named = |(contender, rounds): (Contender<'_>, _)| Times::new(contender.name, rounds);
    contenders.into_iter().zip(times).map(named).collect()
}

/// Prints the median of each, the middle half, and how it compares with the first.
pub(crate) fn print(title: &str, times: &[Times], per_round: u32) {
    println!("\n{title}");
    for contender in times {
        println!(
            "  {:<44} {:>12}   ({} to {})   {:>7.2} x",
            contender.name,
            show(contender.median() / per_round),
            show(contender.quantile(0.25) / per_round),
            show(contender.quantile(0.75) / per_round),
            contender.ratio_to(&times[0]),
        );
    }
}

fn show(duration: Duration) -> String {
    match duration.as_nanos() {
        nanos @ 0..10_000 => format!("{nanos} ns"),
        nanos @ 10_000..10_000_000 => format!("{} us", nanos / 1_000),
        nanos => format!("{} ms", nanos / 1_000_000),
    }
}

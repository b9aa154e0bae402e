//! This test binary, started again to be another process.

use std::{
    env,
    fs::File,
    io::{BufRead, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, ExitCode, ExitStatus, Stdio},
};

use modelmesh_stores::open::StoreSet;
use serde::{Deserialize, Serialize};

use crate::{backend, faults, leaks, stage::Stage, writers};

/// Set for a process that is to read an errand.
const IS_CHILD: &str = "MODELMESH_TEST_CHILD";

/// What the other process is to do, and with which stores. It goes to its standard input, where nobody else sees
/// it: configurations hold credentials.
#[derive(Serialize, Deserialize)]
pub(crate) struct Errand {
    configuration: String,
    variables: Vec<(String, String)>,
    task: Task,
}

#[derive(Serialize, Deserialize)]
pub(crate) enum Task {
    Write(writers::Writing),
    MeasureMemory(faults::Measured),
    Exercise(leaks::Exercise),
}

impl Errand {
    pub(crate) fn stores(&self) -> StoreSet {
        let variables = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        backend::stores_in(&self.configuration, &variables.collect::<Vec<_>>())
    }
}

/// The lines that the other process is sent while it runs.
pub(crate) type Orders = Lines<BufReader<std::io::Stdin>>;

/// Does the errand, if this is the other process.
pub(crate) fn run() -> Option<ExitCode> {
    env::var_os(IS_CHILD)?;
    let mut orders = BufReader::new(std::io::stdin()).lines();
    let errand: Errand = serde_json::from_str(&orders.next().unwrap().unwrap()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        match &errand.task {
            Task::Write(writing) => writers::write(&errand, writing).await,
            Task::MeasureMemory(measured) => faults::measure_memory(&errand, measured, orders).await,
            Task::Exercise(exercise) => leaks::exercise(&errand, exercise, orders).await,
        }
    });
    Some(ExitCode::SUCCESS)
}

/// Says a line to the process that started this one.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").unwrap();
    out.flush().unwrap();
}

/// The other process. It ends when it gets no more orders, as when this is dropped.
pub(crate) struct Other {
    child: Child,
    orders: ChildStdin,
    said: Lines<BufReader<ChildStdout>>,
}

impl Other {
    /// Starts it on an errand with a store of the stage. What it logs goes to `log`.
    pub(crate) fn start(stage: &Stage, more: &str, task: Task, log: &Path) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .env(IS_CHILD, "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(log).unwrap())
            .spawn()
            .unwrap();
        let (orders, said) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut other = Other { child, orders, said: BufReader::new(said).lines() };
        let errand =
            Errand { configuration: stage.configuration(more), variables: stage.backend.environment(), task };
        other.order(&serde_json::to_string(&errand).unwrap());
        other
    }

    /// Sends it a line.
    pub(crate) fn order(&mut self, line: &str) {
        writeln!(self.orders, "{line}").unwrap();
    }

    /// The next line that it says; none if it has ended.
    pub(crate) fn hear(&mut self) -> Option<String> {
        self.said.next().map(Result::unwrap)
    }

    /// Lets it come to its end, for it gets no more orders.
    pub(crate) fn end(self) -> ExitStatus {
        let Other { mut child, orders, said } = self;
        drop(orders);
        said.for_each(drop);
        child.wait().unwrap()
    }
}

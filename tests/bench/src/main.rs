//! What the relay's figures are measured with: a fast mock upstream, a load generator whose open loop measures latency
//! from when a request was due, CPU sampling of a process tree, and the table. `run.sh` puts them together.

use std::process::ExitCode;

mod arguments;
mod bodies;
mod cpu;
mod histogram;
mod load;
mod mock;
mod table;

use arguments::Arguments;

/// The system allocator would be a third of the mock's cost, and the mock must not be what is measured.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const USAGE: &str = "\
usage: bench mock  [--listen ADDR] [--threads N] [--chunks N] [--chunk-delay-ms N]
       bench load  --url URL [--key KEY] [--mode closed|open] [--connections N] [--rate N] [--duration S] [--warmup S]
                   [--requests N] [--ramp-ms N] [--stream] [--body-size BYTES] [--dialect openai|anthropic] [--model M]
                   [--body TEXT] [--method M] [--header 'name: value']… [--timeout S] [--threads N] [--watch-pid PID]… [--label ROW/SCENARIO] [--json]
       bench cpu   --pid PID… [--seconds S]
       bench table FILE          (lines written by `bench load --json --label …`)";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let arguments = Arguments::read(words);
    let done = match command.as_str() {
        "mock" => arguments.and_then(|arguments| mock::run(&arguments)),
        "load" => arguments.and_then(|arguments| load::run(&arguments)),
        "cpu" => arguments.and_then(|arguments| cpu::run(&arguments)),
        "table" => arguments.and_then(|arguments| table::run(&arguments)),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&mut std::io::stderr(), &message);
            ExitCode::FAILURE
        }
    }
}

/// Writes a line; a reader that has gone away is no reason to panic.
pub(crate) fn say(out: &mut dyn std::io::Write, line: &str) {
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

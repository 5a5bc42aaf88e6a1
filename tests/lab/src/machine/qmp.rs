//! A client of QEMU's machine protocol (QMP): one JSON object a line.

use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// An emulator that does not answer for so long is stuck.
const PATIENCE: Duration = Duration::from_secs(10);

/// Has the emulator at `socket` carry out `command`, and returns what it answers.
pub(super) fn execute(socket: &Path, command: &str, arguments: &Value) -> anyhow::Result<Value> {
    let stream = UnixStream::connect(socket).with_context(|| format!("cannot reach {}", socket.display()))?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let (mut lines, mut stream) = (BufReader::new(stream.try_clone()?), stream);
    // The greeting; before it nothing is understood.
    let greeting = message(&mut lines)?;
    if greeting.get("QMP").is_none() {
        bail!("{} does not speak QMP: {greeting}", socket.display());
    }
    ask(&mut stream, &mut lines, &json!({"execute": "qmp_capabilities"}))?;
    ask(&mut stream, &mut lines, &json!({"execute": command, "arguments": arguments}))
}

/// Sends a request and waits for its answer: an emulator whose client hangs up earlier may not carry it out.
fn ask(stream: &mut UnixStream, lines: &mut impl BufRead, request: &Value) -> anyhow::Result<Value> {
    stream.write_all(format!("{request}\n").as_bytes())?;
    loop {
        let mut answer = message(lines)?;
        if let Some(value) = answer.get_mut("return") {
            return Ok(value.take());
        }
        if let Some(error) = answer.get("error") {
            bail!("QEMU refuses {request}: {error}");
        }
        // An event of the machine.
    }
}

fn message(lines: &mut impl BufRead) -> anyhow::Result<Value> {
    let mut line = String::new();
    if lines.read_line(&mut line)? == 0 {
        bail!("QEMU has ended");
    }
    serde_json::from_str(&line).with_context(|| format!("no JSON: {line:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// Plays an emulator that answers each request with the next of `answers`.
    fn emulator(
        listener: UnixListener,
        answers: &'static [&'static str],
    ) -> std::thread::JoinHandle<Vec<String>> {
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            stream.write_all(b"{\"QMP\": {}}\n").unwrap();
            let mut requests = BufReader::new(stream.try_clone().unwrap()).lines();
            answers
                .iter()
                .map(|answer| {
                    let request = requests.next().unwrap().unwrap();
                    stream.write_all(answer.as_bytes()).unwrap();
                    request
                })
                .collect()
        })
    }

    fn talk(answers: &'static [&'static str]) -> (anyhow::Result<Value>, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("qmp");
        let emulator = emulator(UnixListener::bind(&socket).unwrap(), answers);
        let result = execute(&socket, "system_reset", &json!({}));
        (result, emulator.join().unwrap())
    }

    #[test]
    fn a_command_is_carried_out_amid_events() {
        let (result, requests) =
            talk(&["{\"return\": {}}\n", "{\"event\": \"RESET\"}\n{\"return\": {\"a\": 1}}\n"]);
        assert_eq!(result.unwrap(), json!({"a": 1}));
        assert!(
            requests[0].contains("qmp_capabilities") && requests[1].contains("system_reset"),
            "{requests:?}"
        );
    }

    #[test]
    fn a_refusal_and_an_end_are_errors() {
        let (result, _) = talk(&["{\"return\": {}}\n", "{\"error\": {\"desc\": \"no\"}}\n"]);
        assert!(result.unwrap_err().to_string().contains("\"no\""));
        let (result, _) = talk(&["{\"return\": {}}\n"]);
        assert!(result.is_err());
    }
}

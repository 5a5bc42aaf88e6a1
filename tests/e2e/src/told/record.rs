//! Writing down what clients are told.

use super::{Departure, Final, State, Times, Told, View, What};
use crate::stage::witness::now_ms;
use crate::stage::{Cli, Following};
use anyhow::{Context as _, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// What the clients of one stage were told so far.
#[derive(Debug, Default)]
pub struct Record(Mutex<Vec<Told>>);

impl Record {
    /// Everything so far.
    #[must_use]
    pub fn told(&self) -> Vec<Told> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn note(&self, asked_ms: u64, what: What) {
        let told = Told { asked_ms, told_ms: now_ms(), what };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    /// Says a line whose answer is JSON, and writes down what `what` makes of it.
    async fn say(
        &self,
        cli: &Cli,
        line: &str,
        what: impl Fn(&Value) -> anyhow::Result<What>,
    ) -> anyhow::Result<Value> {
        let asked_ms = now_ms();
        let answer = cli.json(line).await?;
        self.note(asked_ms, what(&answer).with_context(|| format!("hostler {line}: {answer}"))?);
        Ok(answer)
    }

    /// Asks for a lease.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn request(&self, cli: &Cli, tenant: &str, key: &str, line: &str) -> anyhow::Result<Value> {
        let line = format!("lease request {line} --idempotency-key {key}");
        let granted = |answer: &Value| {
            let (tenant, key) = (tenant.to_owned(), key.to_owned());
            Ok(What::Granted { tenant, key, lease: number(&answer["id"])? })
        };
        let lease = self.say(cli, &line, granted).await?;
        Ok(lease["id"].clone())
    }

    /// Looks at a lease.
    ///
    /// # Errors
    /// If it cannot be seen.
    pub async fn show(&self, cli: &Cli, lease: &Value) -> anyhow::Result<Value> {
        self.say(cli, &format!("lease show {lease}"), |answer| Ok(What::Seen(view(answer)?))).await
    }

    /// Follows a stream of a lease until it ends; returns the exit code.
    ///
    /// # Errors
    /// If something else comes.
    pub async fn follow(&self, mut stream: Following) -> anyhow::Result<Option<i32>> {
        let asked_ms = stream.asked_ms();
        while let Some(lease) = stream.next().await? {
            self.note(asked_ms, What::Seen(view(lease)?));
        }
        Ok(stream.end().await?.0)
    }

    /// Asks for more time.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn extend(&self, cli: &Cli, lease: &Value, key: &str, by: &str) -> anyhow::Result<()> {
        let line = format!("lease extend {lease} --by {by} --idempotency-key {key}");
        let extended = |answer: &Value| {
            let until_ms = answer["until_ms"].as_u64().context("no end")?;
            Ok(What::Extended { lease: number(lease)?, key: key.to_owned(), until_ms })
        };
        self.say(cli, &line, extended).await.map(drop)
    }

    /// Gives a machine back, and says what comes in its place.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn replace(&self, cli: &Cli, lease: &Value, key: &str, node: &str) -> anyhow::Result<String> {
        let line = format!("lease replace {lease} {node} --idempotency-key {key}");
        let replaced = |answer: &Value| {
            let (key, node, substitute) = (key.to_owned(), node.to_owned(), text(&answer["substitute"])?);
            Ok(What::Replaced { lease: number(lease)?, key, node, substitute })
        };
        let answer = self.say(cli, &line, replaced).await?;
        text(&answer["substitute"])
    }

    /// Gives a lease back.
    ///
    /// # Errors
    /// If it is refused.
    pub async fn release(&self, cli: &Cli, lease: &Value) -> anyhow::Result<()> {
        let released = |_: &Value| Ok(What::Released(number(lease)?));
        self.say(cli, &format!("lease release {lease}"), released).await.map(drop)
    }

    /// What was printed of a run that has ended, asked for with this key at that moment.
    ///
    /// # Errors
    /// If it has no end.
    pub fn ran(&self, lease: &Value, key: &str, asked_ms: u64, printed: &[Value]) -> anyhow::Result<()> {
        let begun =
            printed.iter().find(|line| line["event"] == "started").context("the run did not start")?;
        let run = number(&begun["run"]["id"])?;
        let (lease, key, exit_codes) = (number(lease)?, key.to_owned(), exit_codes(printed)?);
        self.note(asked_ms, What::Ran { lease, key, run, exit_codes });
        Ok(())
    }

    /// What an administrator sees of all that was told.
    ///
    /// # Errors
    /// If it cannot be seen.
    pub async fn last(&self, admin: &Cli) -> anyhow::Result<Final> {
        let mut last = Final::default();
        for lease in all(&admin.json("lease list --all").await?)? {
            let view = view(lease)?;
            last.leases.insert(view.lease, view);
        }
        for account in all(&admin.json("account --by lease").await?)? {
            let machines = account["machines"].as_object().context("no machines")?.values();
            let count = machines.filter_map(Value::as_u64).sum::<u64>();
            last.accounted.insert(number(&account["id"])?, usize::try_from(count)?);
        }
        Ok(last)
    }
}

/// The exit codes of a run's tasks, by what was printed of them: what has ended before is told at the start.
fn exit_codes(printed: &[Value]) -> anyhow::Result<BTreeMap<String, i64>> {
    let told_at_start = printed.iter().filter_map(|line| line["run"]["tasks"].as_array()).flatten();
    let told_later = printed.iter().filter(|line| line["event"] == "task").map(|line| &line["task"]);
    let ended = told_at_start.chain(told_later).filter(|task| task["state"] == "finished");
    ended
        .map(|task| Ok((text(&task["node"])?, task["exit_code"].as_i64().context("no exit code")?)))
        .collect()
}

fn view(lease: &Value) -> anyhow::Result<View> {
    let state = match lease["state"].as_str() {
        Some("queued") => State::Queued,
        Some("deploying") => State::Deploying,
        Some("active") => State::Active,
        Some("closing") => State::Closing,
        Some("closed") => State::Closed,
        _ => bail!("no state: {lease}"),
    };
    let departure = |left: &Value| {
        let moment = |name: &str| left[name].as_u64().with_context(|| format!("no {name}"));
        Ok(Departure {
            node: text(&left["node"])?,
            since: moment("since_ms")?,
            until: moment("until_ms")?,
            successor: left["successor"].as_str().map(str::to_owned),
        })
    };
    Ok(View {
        lease: number(&lease["id"])?,
        state,
        nodes: all(&lease["nodes"])?.iter().map(|node| text(&node["name"])).collect::<Result<_, _>>()?,
        departures: all(&lease["departures"])?.iter().map(departure).collect::<anyhow::Result<_>>()?,
        close_reason: lease["close_reason"].as_str().map(str::to_owned),
        times: Times {
            assigned: lease["assigned_ms"].as_u64(),
            active: lease["active_ms"].as_u64(),
            expires: lease["expires_ms"].as_u64(),
            ended: lease["ended_ms"].as_u64(),
            closed: lease["closed_ms"].as_u64(),
        },
    })
}

fn all(value: &Value) -> anyhow::Result<&Vec<Value>> {
    value.as_array().with_context(|| format!("no list: {value}"))
}

fn number(value: &Value) -> anyhow::Result<u32> {
    Ok(u32::try_from(value.as_u64().with_context(|| format!("no number: {value}"))?)?)
}

fn text(value: &Value) -> anyhow::Result<String> {
    value.as_str().map(str::to_owned).with_context(|| format!("no text: {value}"))
}

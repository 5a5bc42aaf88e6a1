//! Kills at moments that a seed decides.

use crate::story::{Killer, Story};
use anyhow::Context as _;
use hostler_e2e::stage::account::check;
use hostler_e2e::stage::witness::Starts;
use hostler_e2e::stage::{Engine, Setup};
use hostler_e2e::told::Record;
use hostler_fleet::dice::Dice;
use std::time::Instant;
use tokio::task::JoinSet;
use xtask::installation::Waits;

/// Rounds in one room: the next one begins with what the last one left.
const ROUNDS: usize = 5;

/// Kills in each round, besides those that the story asks for.
const KILLS: usize = 4;

/// A kill while a machine loads its kernel costs the rest of its window: these are short.
const WAITS: Waits = Waits { firmware_ms: 4_000, step_ms: 5_000, silence_ms: 6_000, bmc_ms: 3_000 };

/// `HOSTLER_SEED` repeats one; `HOSTLER_FULL=true` plays more than there is time for with every change.
fn seeds(engine: Engine) -> anyhow::Result<Vec<u64>> {
    if let Some(seed) = std::env::var_os("HOSTLER_SEED") {
        let seed = seed.to_str().context("HOSTLER_SEED is no text")?;
        return Ok(vec![seed.parse().context("HOSTLER_SEED is a number")?]);
    }
    let full = std::env::var_os("HOSTLER_FULL").is_some_and(|value| value == "true");
    Ok(match engine {
        Engine::Sqlite => (1..=if full { 50 } else { 10 }).collect(),
        Engine::Postgres => (1001..=if full { 1050 } else { 1005 }).collect(),
    })
}

on_every_engine! {
    invariant_5_whatever_was_answered_survives_kill_9_at_any_moment
}

async fn invariant_5_whatever_was_answered_survives_kill_9_at_any_moment(
    engine: Engine,
) -> anyhow::Result<()> {
    let mut rooms = JoinSet::new();
    for seeds in seeds(engine)?.chunks(ROUNDS) {
        rooms.spawn(play(engine, seeds.to_vec()));
    }
    while let Some(room) = rooms.join_next().await {
        room??;
    }
    Ok(())
}

async fn play(engine: Engine, seeds: Vec<u64>) -> anyhow::Result<()> {
    let first = seeds.first().copied().unwrap_or_default();
    let setup = Setup { seed: first, waits: WAITS, ..Setup::of(5) };
    let stage = setup.on(engine).with_witness().set().await?;
    let (starts, killer, record) = (Starts::of(stage.room()), Killer::of(&stage), Record::default());
    for seed in seeds {
        let (began, mut dice) = (Instant::now(), Dice::new(seed));
        let story = Story { stage: &stage, killer: &killer, record: &record, seed };
        let played = tokio::try_join!(story.play(), killer.strike_at_random(&mut dice, KILLS));
        played.with_context(|| format!("HOSTLER_SEED={seed}"))?;
        check(&stage, &starts, &killer.moments(), WAITS.firmware_ms)
            .with_context(|| format!("HOSTLER_SEED={seed}"))?;
        eprintln!("seed {seed}: ended well after {:.1} s", began.elapsed().as_secs_f64());
    }
    stage.end().await
}

//! `kill -9` at any moment is a normal stop, on every engine.

/// Each case on each engine.
macro_rules! on_every_engine {
    ($($case:ident)*) => {
        mod sqlite {
            use hostler_e2e::stage::Engine;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() -> anyhow::Result<()> {
                super::$case(Engine::Sqlite).await
            })*
        }
        mod postgres {
            use hostler_e2e::stage::Engine;
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $case() -> anyhow::Result<()> {
                if !Engine::Postgres.is_there(concat!("on PostgreSQL: ", stringify!($case))) {
                    return Ok(());
                }
                super::$case(Engine::Postgres).await
            })*
        }
    };
}

mod on_purpose;
mod seeded;
mod story;
mod uploads;

//! `hostler run`

mod arguments;
mod follow;
mod output;

pub(crate) use arguments::Arguments;

use crate::client::Client;
use crate::error::Error;
use crate::exit::Exit;
use crate::model::run::Run;
use crate::render;
use crate::results::Results;
use crate::session::Session;
use arguments::What;
use follow::Follower;
use hostler_proto::lease::v1::{GetRunRequest, StartRunRequest, StopRunRequest};
use output::Output;
use serde::Serialize;

pub(crate) async fn run(session: &Session, arguments: Arguments) -> Result<Exit, Error> {
    let (what, show) = arguments.resolve()?;
    let results = show.results.as_deref().map(Results::create).transpose()?;
    let client = session.connect()?;
    let run = match what {
        What::Start(request) => start(session, &client, *request).await?,
        What::Attach(id) => {
            let attempt = async || client.leases().get_run(GetRunRequest { id }).await;
            client.call(format!("show run {id}"), attempt).await?.into()
        }
        What::Stop(id) => return stop(session, &client, id).await,
    };
    if show.detach {
        session.ui.notice(&format!("follow it with: hostler run --attach {}", run.id));
        session.ui.result(&run, |run, _| format!("{}\n", run.id))?;
        return Ok(Exit::Ok);
    }
    session.if_interrupted([
        format!("hostler run --attach {id}     # the run goes on; follow it from its beginning", id = run.id),
        format!("hostler run --stop {id}       # end it", id = run.id),
        format!("hostler lease release {id}  # give the machines back", id = run.lease_id),
    ]);
    let output = Output::new(session, &run, show.raw, results.as_ref())?;
    let run = Follower::new(session, &client, run, output).follow().await?;
    conclude(session, &client, &run, results.as_ref()).await
}

async fn start(session: &Session, client: &Client<'_>, request: StartRunRequest) -> Result<Run, Error> {
    let key = &request.idempotency_key;
    session.ui.notice(&format!("idempotency key {key}"));
    session.if_interrupted([format!("repeat the command with --idempotency-key {key} to get the same run")]);
    let attempt = async || client.leases().start_run(request.clone()).await;
    let run: Run = client.call(format!("start a run on lease {}", request.lease_id), attempt).await?.into();
    session.ui.notice(&format!("run {} on {} nodes of lease {}", run.id, run.tasks.len(), run.lease_id));
    Ok(run)
}

async fn stop(session: &Session, client: &Client<'_>, id: u32) -> Result<Exit, Error> {
    let attempt = async || client.leases().stop_run(StopRunRequest { id }).await;
    let run: Run = client.call(format!("stop run {id}"), attempt).await?.into();
    session.ui.result(&run, |run, _| {
        run.tasks.iter().map(|task| format!("{}\n", render::run::task(task))).collect()
    })?;
    Ok(Exit::Ok)
}

/// Downloads what the run left behind and says how it ended.
async fn conclude(
    session: &Session,
    client: &Client<'_>,
    run: &Run,
    results: Option<&Results>,
) -> Result<Exit, Error> {
    let (files, errors) = match results {
        Some(results) => results.download(client, run).await,
        None => (Vec::new(), Vec::new()),
    };
    let exit = if errors.is_empty() { run.exit() } else { Exit::Infrastructure };
    for error in &errors {
        session.ui.error(&error.report());
    }
    if session.ui.is_json() {
        let files = files.iter().map(|path| path.display().to_string()).collect();
        session.ui.json_line(&Finished { event: "finished", exit: exit as u8, run, files })?;
    } else {
        session.ui.notice(render::run::summary(run, &session.ui.err).trim_end());
        if !files.is_empty() {
            session.ui.notice(&format!("{} files downloaded", files.len()));
        }
    }
    Ok(exit)
}

/// The last line of `--output json`.
#[derive(Serialize)]
struct Finished<'a> {
    event: &'static str,
    exit: u8,
    run: &'a Run,
    /// What was downloaded, under the directory given with `--results`.
    files: Vec<String>,
}

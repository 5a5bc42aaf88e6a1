//! Asks before something that cannot be taken back.

use crate::error::Error;
use crate::session::Session;
use std::io::{self, IsTerminal as _};

/// Asks for the node's name, as proof that somebody has read the question. `is_given` is `--yes`.
///
/// # Errors
/// [`Error::Usage`] if the answer is another one, or if there is nobody to ask.
pub(super) async fn confirm(
    session: &Session,
    question: &str,
    name: &str,
    is_given: bool,
) -> Result<(), Error> {
    if is_given {
        return Ok(());
    }
    let declined = |message: &str| Error::Usage {
        message: message.to_owned(),
        next: "--yes answers for you".to_owned(),
    };
    if !io::stdin().is_terminal() {
        return Err(declined("this has to be confirmed, and there is no terminal to ask at"));
    }
    session.ui.notice(&format!("{question}\nType the name of the node to go on:"));
    let answer = tokio::task::spawn_blocking(|| {
        let mut line = String::new();
        io::stdin().read_line(&mut line).map(|_| line)
    });
    let answer = answer.await.map_err(io::Error::other).flatten().unwrap_or_default();
    if answer.trim() == name { Ok(()) } else { Err(declined("not confirmed; nothing was changed")) }
}

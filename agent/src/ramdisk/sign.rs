//! Having a certificate signed over the session.

use super::task::{StepError, Watch};
use crate::identity::Secret;
use crate::tls;
use tokio::sync::{mpsc, oneshot};

/// One request that waits for its answer.
#[derive(Debug)]
pub(crate) struct SignAsk {
    /// PKCS#10, DER.
    pub(crate) csr: Vec<u8>,
    /// Takes the certificate chain, PEM.
    pub(crate) answer: oneshot::Sender<String>,
}

/// What a task asks through. Whoever holds the other end sends the request, again on each new link.
#[derive(Clone, Debug)]
pub(crate) struct Signer(mpsc::Sender<SignAsk>);

impl Signer {
    pub(crate) fn new() -> (Self, mpsc::Receiver<SignAsk>) {
        let (sender, receiver) = mpsc::channel(1);
        (Self(sender), receiver)
    }

    /// Waits for a certificate for `key`. One that was signed for the key of an earlier task is passed over.
    pub(crate) async fn sign(&self, csr: &[u8], key: &Secret, watch: &Watch) -> Result<String, StepError> {
        loop {
            let (answer, received) = oneshot::channel();
            let asked = self.0.send(SignAsk { csr: csr.to_vec(), answer });
            if watch.or_cancelled(asked).await?.is_err() {
                return Err(StepError::Cancelled);
            }
            let Ok(chain) = watch.or_cancelled(received).await? else { return Err(StepError::Cancelled) };
            match tls::check_match(&chain, key) {
                Ok(()) => return Ok(chain),
                Err(error) => {
                    tracing::warn!("a certificate came that does not fit: {}", crate::error::chain(&error));
                }
            }
        }
    }
}

//! Files that a run left behind, under a directory of the user: `DIR/NODE/output.log` and `DIR/NODE/files/PATH`.
//!
//! Names and contents come from machines on which tenants are root. A name may not lead out of the directory, and
//! contents must have the size and digest that the controller told.

use crate::client::Client;
use crate::error::Error;
use crate::model::run::{File as RunFile, Run};
use crate::text::clean;
use aws_lc_rs::digest::{Context, SHA256};
use hostler_proto::lease::v1::{FileChunk, GetRunFileRequest};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;
use tonic::{Status, Streaming};

/// As long as a path may be on Linux, without the directory that it is put into.
const MAX_PATH: usize = 2048;
/// No JUnit report is larger.
const MAX_FILE: u64 = 256 << 20;

/// The directory.
#[derive(Debug)]
pub(crate) struct Results {
    dir: PathBuf,
}

/// Why a name from the network is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name {:?} is not safe: {problem}", clean(name))]
struct UnsafeName {
    name: String,
    problem: &'static str,
}

/// How a download ended that did not succeed.
enum Broken {
    /// May be tried again.
    Connection(Status),
    /// Final.
    Failed(Error),
}

impl Results {
    /// Makes the directory if it is not there.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(crate) fn create(dir: &Path) -> Result<Self, Error> {
        fs::create_dir_all(dir).map_err(Error::write(dir))?;
        Ok(Self { dir: dir.to_owned() })
    }

    /// A new, empty log for the output of `node`.
    ///
    /// # Errors
    /// [`Error::Write`], [`Error::Protocol`] for a node name that is no file name.
    pub(crate) fn log(&self, node: &str) -> Result<File, Error> {
        let path = self.node_dir(node)?.join("output.log");
        File::create(&path).map_err(Error::write(path))
    }

    /// Downloads all files of a finished run. A file that cannot be had does not keep the others from coming.
    pub(crate) async fn download(&self, client: &Client<'_>, run: &Run) -> (Vec<PathBuf>, Vec<Error>) {
        let (mut paths, mut errors) = (Vec::new(), Vec::new());
        for task in &run.tasks {
            for file in &task.files {
                match self.download_one(client, run.id, &task.node, file).await {
                    Ok(path) => paths.push(path),
                    Err(error) => errors.push(error),
                }
            }
        }
        (paths, errors)
    }

    async fn download_one(
        &self,
        client: &Client<'_>,
        id: u32,
        node: &str,
        file: &RunFile,
    ) -> Result<PathBuf, Error> {
        let action = format!("download {} of {node}", clean(&file.path));
        let protocol = |problem: String| Error::Protocol { action: action.clone(), problem };
        let relative = safe_path(&file.path).map_err(|e| protocol(e.to_string()))?;
        if file.size > MAX_FILE {
            return Err(protocol(format!(
                "it has {} bytes, more than the {MAX_FILE} that are taken",
                file.size
            )));
        }
        let path = self.node_dir(node)?.join("files").join(relative);
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(Error::write(parent))?;
        let request = GetRunFileRequest { id, node: node.to_owned(), path: file.path.clone() };
        let mut attempts = client.persistent(action.clone());
        loop {
            let answer = client.leases().get_run_file(request.clone()).await;
            let received = match answer {
                Ok(stream) => receive(stream.into_inner(), file, parent, &action).await,
                Err(status) => Err(Broken::Connection(status)),
            };
            match received {
                Ok(whole) => {
                    whole.persist(&path).map_err(|e| Error::write(&path)(e.error))?;
                    return Ok(path);
                }
                Err(Broken::Connection(status)) => attempts.failed(status).await?,
                Err(Broken::Failed(error)) => return Err(error),
            }
        }
    }

    fn node_dir(&self, node: &str) -> Result<PathBuf, Error> {
        let protocol =
            |e: UnsafeName| Error::Protocol { action: "store results".to_owned(), problem: e.to_string() };
        let name = safe_path(node).map_err(protocol)?;
        if name.components().count() != 1 {
            return Err(protocol(UnsafeName { name: node.to_owned(), problem: "a node name has no `/`" }));
        }
        let dir = self.dir.join(name);
        fs::create_dir_all(&dir).map_err(Error::write(&dir))?;
        Ok(dir)
    }
}

/// Receives a whole file into a temporary one in `dir`, and checks it.
async fn receive(
    mut stream: Streaming<FileChunk>,
    file: &RunFile,
    dir: &Path,
    action: &str,
) -> Result<NamedTempFile, Broken> {
    let failed = |problem: String| Broken::Failed(Error::Protocol { action: action.to_owned(), problem });
    let unwritable = |e: io::Error| Broken::Failed(Error::write(dir)(e));
    let mut part = NamedTempFile::new_in(dir).map_err(unwritable)?;
    let (mut digest, mut size) = (Context::new(&SHA256), 0_u64);
    while let Some(chunk) = stream.message().await.map_err(Broken::Connection)? {
        size += chunk.data.len() as u64;
        if size > file.size {
            return Err(failed(format!("more came than the {} bytes that were announced", file.size)));
        }
        digest.update(&chunk.data);
        part.write_all(&chunk.data).map_err(unwritable)?;
    }
    if size < file.size {
        return Err(failed(format!("only {size} of {} bytes came", file.size)));
    }
    if hex(digest.finish().as_ref()) != file.sha256 {
        return Err(failed("what came has another SHA-256 digest than announced".to_owned()));
    }
    Ok(part)
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `name` as a path that stays below the directory to which it is joined.
fn safe_path(name: &str) -> Result<PathBuf, UnsafeName> {
    let fault = if name.is_empty() || name.len() > MAX_PATH {
        Some("it is empty or too long")
    } else if name.starts_with('/') {
        Some("it is absolute")
    } else if name.chars().any(|c| c.is_control() || c == '\\') {
        Some("it has control characters or backslashes")
    } else if name.split('/').any(|part| matches!(part, "" | "." | "..")) {
        Some("it has empty, `.` or `..` parts")
    } else {
        None
    };
    match fault {
        Some(problem) => Err(UnsafeName { name: name.to_owned(), problem }),
        None => Ok(PathBuf::from(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::path::Component;

    #[test]
    fn names_that_lead_out_are_refused() {
        for bad in
            ["", "/etc/passwd", "..", "../x", "a/../../x", "a//b", "./a", "a/.", "a\\..\\b", "a\nb", "a\0b"]
        {
            assert!(safe_path(bad).is_err(), "{bad:?}");
        }
        for good in ["a.xml", "reports/a.xml", "..a/b..", "a b", "ä.xml", ".hidden"] {
            assert_eq!(safe_path(good), Ok(PathBuf::from(good)));
        }
    }

    proptest! {
        #[test]
        fn a_safe_path_has_only_plain_parts(name in "[./a\\\\\\x00]{0,12}|\\PC{0,12}") {
            if let Ok(path) = safe_path(&name) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))));
                prop_assert!(Path::new("dir").join(&path).starts_with("dir"));
            }
        }
    }

    #[test]
    fn hexadecimal() {
        assert_eq!(hex(&[0, 15, 255]), "000fff");
    }
}

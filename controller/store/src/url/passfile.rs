//! libpq's password file: lines of `host:port:database:user:password`, where `*` stands for anything and a backslash
//! takes the meaning from what follows it (PostgreSQL documentation, section "The Password File").

use crate::StoreError;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// For which connection a password is wanted.
pub(super) struct Wanted<'a> {
    pub(super) host: &'a str,
    pub(super) port: u16,
    pub(super) database: &'a str,
    pub(super) user: &'a str,
}

/// The password of the first line that fits.
///
/// # Errors
/// If the file cannot be read, or others may read it.
pub(super) fn password(path: &Path, wanted: &Wanted<'_>) -> Result<Option<String>, StoreError> {
    let shown = path.display().to_string();
    let failed = |source| StoreError::File { what: "read the password file", path: shown.clone(), source };
    let mode = std::fs::metadata(path).map_err(failed)?.permissions().mode();
    if mode & 0o077 != 0 {
        return Err(StoreError::Url(format!("others may read the password file {shown}: chmod 600 it")));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    Ok(text.lines().filter(|line| !line.starts_with('#')).find_map(|line| wanted.password_in(line)))
}

impl Wanted<'_> {
    fn password_in(&self, line: &str) -> Option<String> {
        let [host, port, database, user, password] = <[_; 5]>::try_from(fields(line)).ok()?;
        let fits = |field: &Field, value: &str| field.any || field.text == value;
        // A socket is "localhost" to libpq.
        let host_fits = fits(&host, self.host) || (self.host.starts_with('/') && host.text == "localhost");
        let all = host_fits
            && fits(&port, &self.port.to_string())
            && fits(&database, self.database)
            && fits(&user, self.user);
        all.then_some(password.text)
    }
}

#[derive(Default)]
struct Field {
    text: String,
    /// It is a `*`, not an escaped one.
    any: bool,
}

fn fields(line: &str) -> Vec<Field> {
    let mut fields = vec![Field::default()];
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == ':' && fields.len() < 5 {
            fields.push(Field::default());
            continue;
        }
        let (escaped, character) = match character {
            '\\' => (true, characters.next().unwrap_or('\\')),
            other => (false, other),
        };
        if let Some(field) = fields.last_mut() {
            field.any = field.text.is_empty() && character == '*' && !escaped;
            field.text.push(character);
        }
    }
    fields
}

//! Keys and passwords: where they are kept, and how a request shows them. The configuration only
//! ever says where; a secret is read when a request needs it and forgotten with it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::error::{Error, Result, excerpt};

/// Where a secret is kept: `env:NAME`, an environment variable, or `file:PATH`, a file that holds
/// nothing else. It is read anew for each refresh.
///
/// ```
/// use artif_core::feed::SecretSource;
///
/// let source: SecretSource = "env:ABUSE_CH_KEY".parse().unwrap();
/// assert_eq!(source.to_string(), "env:ABUSE_CH_KEY");
/// // The secret itself does not belong here, and is not repeated in the error.
/// let error = "s3cr3t".parse::<SecretSource>().unwrap_err().to_string();
/// assert!(error.contains("env:NAME") && !error.contains("s3cr3t"));
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// The value of this environment variable.
    Env(String),
    /// The content of this file, without blanks at its end.
    File(PathBuf),
}

impl SecretSource {
    /// Takes a relative path from this folder.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        if let Self::File(path) = self {
            *path = folder.join(&*path);
        }
    }

    /// The secret; an error says where it was looked for, and nothing of what was there.
    #[cfg(feature = "fetch")]
    pub(crate) fn read(&self) -> Result<secrecy::SecretString, String> {
        /// No key is this long.
        const LONGEST: usize = 16 << 10;
        let found = match self {
            Self::Env(name) => {
                let value = std::env::var_os(name)
                    .ok_or_else(|| format!("environment variable {name} is not set"))?;
                value.into_string().map_err(|_| format!("environment variable {name} is not UTF-8"))
            }
            Self::File(path) => {
                warn_if_open(path);
                std::fs::read_to_string(path).map_err(|error| {
                    format!("the secret in {} is unreadable: {error}", path.display())
                })
            }
        };
        let found = secrecy::SecretString::from(found?);
        let text = secrecy::ExposeSecret::expose_secret(&found).trim_end();
        if text.is_empty() || text.len() > LONGEST || text.contains(|c: char| c.is_control()) {
            return Err(format!(
                "{self} holds no secret: it is empty, too long, or of several lines"
            ));
        }
        Ok(secrecy::SecretString::from(text))
    }
}

/// A secret that everybody on the machine can read is used all the same: containers mount them so.
#[cfg(feature = "fetch")]
fn warn_if_open(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        let open = std::fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0);
        if open && !path.starts_with("/run/secrets") {
            tracing::warn!(path = %path.display(), "every user can read this secret: chmod 600 it");
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

impl FromStr for SecretSource {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text.trim().split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Env(name.to_owned())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(Error::Invalid {
                what: "secret",
                reason: "say where it is kept, env:NAME or file:PATH, not what it is".to_owned(),
            }),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Env(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{}", path.display()),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// How a request shows who asks: `bearer SECRET`, `basic:USER SECRET`, `header:NAME SECRET` or
/// `query:NAME SECRET`, where the secret is a [`SecretSource`].
///
/// It is sent to the origin (scheme, host and port) it was given for and to no other, wherever that
/// one redirects.
///
/// ```
/// use artif_core::feed::Auth;
///
/// let auth: Auth = "header:Auth-Key env:ABUSE_CH_KEY".parse().unwrap();
/// assert_eq!(auth.to_string(), "header:Auth-Key env:ABUSE_CH_KEY");
/// assert!("header:Auth-Key s3cr3t".parse::<Auth>().is_err());
/// ```
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Auth {
    pub(crate) how: How,
    pub(crate) secret: SecretSource,
}

#[derive(Clone, PartialEq, Eq)]
pub(crate) enum How {
    Bearer,
    Basic(String),
    Header(String),
    Query(String),
}

impl Auth {
    #[cfg(all(feature = "fetch", feature = "geo"))]
    pub(crate) fn basic(user: &str, secret: SecretSource) -> Self {
        Self { how: How::Basic(user.to_owned()), secret }
    }

    #[cfg(feature = "misp")]
    pub(crate) fn header(name: &str, secret: SecretSource) -> Self {
        Self { how: How::Header(name.to_owned()), secret }
    }

    /// Takes a relative path of a secret from this folder.
    pub(crate) fn resolve(&mut self, folder: &Path) {
        self.secret.resolve(folder);
    }
}

impl FromStr for Auth {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let invalid = |reason: String| Error::Invalid { what: "auth", reason };
        let Some((how, secret)) = text.trim().split_once(char::is_whitespace) else {
            return Err(invalid(
                "write how, a blank, and where the secret is: `bearer env:NAME`, `basic:USER \
                 env:NAME`, `header:NAME file:PATH` or `query:NAME file:PATH`"
                    .to_owned(),
            ));
        };
        let secret = secret.parse()?;
        let how = match how.split_once(':') {
            None if how == "bearer" => How::Bearer,
            Some(("basic", user)) if !user.is_empty() => How::Basic(user.to_owned()),
            Some(("header", name)) if is_header_name(name) => How::Header(name.to_owned()),
            Some(("query", name)) if !name.is_empty() => How::Query(name.to_owned()),
            _ => {
                return Err(invalid(format!(
                    "{:?} is none of bearer, basic:USER, header:NAME, query:NAME",
                    excerpt(how)
                )));
            }
        };
        Ok(Self { how, secret })
    }
}

/// Whether a header can be called so, and be set by the user.
pub(crate) fn is_header_name(name: &str) -> bool {
    // What the transfer itself depends on.
    const OURS: [&str; 8] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "accept-encoding",
        "if-none-match",
        "if-modified-since",
        "range",
    ];
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !name.is_empty()
        && name.bytes().all(allowed)
        && !OURS.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

impl fmt::Display for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Bearer => f.write_str("bearer")?,
            How::Basic(user) => write!(f, "basic:{user}")?,
            How::Header(name) => write!(f, "header:{name}")?,
            How::Query(name) => write!(f, "query:{name}")?,
        }
        write!(f, " {}", self.secret)
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! as_text {
    ($($type:ty),*) => {$(
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    )*};
}
as_text!(SecretSource, Auth);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_comes_back() {
        for text in [
            "bearer env:A",
            "basic:me file:/run/secrets/a b",
            "header:X-Key env:A",
            "query:k env:A",
        ] {
            assert_eq!(text.parse::<Auth>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn mistakes_do_not_repeat_what_may_be_the_secret() {
        for text in [
            "hunter2",
            "bearer hunter2",
            "bearer env:",
            "basic: env:A",
            "header:Host env:A",
            "header:a\u{20ac} env:A",
            "query: env:A",
            "token env:A",
            "Bearer file:",
        ] {
            let error = text.parse::<Auth>().unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[cfg(feature = "fetch")]
    #[test]
    fn secrets_are_read_without_the_line_end() {
        use secrecy::ExposeSecret as _;
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        let read = |content: &str| {
            std::fs::write(&path, content).unwrap();
            SecretSource::File(path.clone()).read()
        };
        assert_eq!(read("hunter2\r\n").unwrap().expose_secret(), "hunter2");
        for bad in ["", "\n", "hunter2\nhunter3", "hunter\u{0}2"] {
            let error = read(bad).unwrap_err();
            assert!(error.contains("holds no secret") && !error.contains("hunter"), "{error}");
        }
        std::fs::remove_file(&path).unwrap();
        assert!(SecretSource::File(path).read().unwrap_err().contains("unreadable"));
        let unset = SecretSource::Env("ARTIF_NO_SUCH_VARIABLE".to_owned()).read();
        assert!(unset.unwrap_err().ends_with("ARTIF_NO_SUCH_VARIABLE is not set"));
    }
}

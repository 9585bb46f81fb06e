//! What can go wrong with a MISP server, told apart by what it answers.

use std::fmt;

use serde::Serialize;

macro_rules! problems {
    ($($variant:ident $code:literal $pass:literal $doc:literal $advice:literal;)*) => {
        /// A kind of failure of a MISP server; the table is in the [module's docs](super).
        ///
        /// ```
        /// use artif_core::misp::Problem;
        ///
        /// assert_eq!(Problem::KeyRejected.code(), "misp-key-rejected");
        /// assert!(Problem::RateLimited.may_pass() && !Problem::KeyRejected.may_pass());
        /// ```
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Problem {
            $(#[doc = $doc] $variant,)*
        }

        impl Problem {
            /// All of them.
            ///
            /// ```
            /// use artif_core::misp::Problem;
            /// assert!(Problem::ALL.contains(&Problem::LoginPage));
            /// ```
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Its name, which does not change.
            ///
            /// ```
            /// assert_eq!(artif_core::misp::Problem::LoginPage.code(), "misp-login-page");
            /// ```
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)* }
            }

            /// What to do about it.
            ///
            /// ```
            /// assert!(artif_core::misp::Problem::TimedOut.advice().contains("timeout"));
            /// ```
            pub const fn advice(self) -> &'static str {
                match self { $(Self::$variant => $advice,)* }
            }

            /// Whether it may pass by itself.
            ///
            /// ```
            /// assert!(artif_core::misp::Problem::Gateway.may_pass());
            /// ```
            pub const fn may_pass(self) -> bool {
                match self { $(Self::$variant => $pass,)* }
            }
        }
    };
}

problems! {
    KeyRejected "misp-key-rejected" false "The key is missing, wrong or expired."
        "check the key that `key` leads to, and whether it has expired (My Profile, Auth keys)";
    AccountDisabled "misp-account-disabled" false "The key's user is disabled."
        "have a site admin enable the user, or use the key of another one";
    KeyAddress "misp-key-address" false "The key is not valid from this machine's address."
        "add this machine's address to those allowed for the key";
    NoPermission "misp-no-permission" false "The key's role may not do this."
        "use a key of a user whose role may do it, or leave that part out";
    LoginPage "misp-login-page" true "It redirects to its login page."
        "the server is in maintenance (MISP.live), or something in front of it wants a login";
    Redirected "misp-redirected" false "It redirects elsewhere, which is not followed."
        "put the address it redirects to into `url`, with https: and the path MISP has there";
    NotJson "misp-not-json" false "It answers with a page instead of JSON."
        "check that `url` is where MISP answers, path included, and what stands in front of it";
    NoSuchPage "misp-no-such-page" false "It knows no such interface."
        "check the path in `url`; MISP below 2.4 lacks this interface";
    NotFound "misp-not-found" false "What was asked for is not there, or not to be seen."
        "it was deleted, or is not shared with the key's organisation";
    AlreadyThere "misp-already-there" false "What was to be added is there already."
        "change the one that is there";
    Blocklisted "misp-blocklisted" false "The event was deleted before and is not taken again."
        "remove it from the event blocklist of the server";
    Invalid "misp-invalid" false "The server found what was sent wrong."
        "see what it says about which field";
    BadRequest "misp-bad-request" false "The server did not take the request as meant."
        "this is a fault of artif or a version of MISP it does not know: report it";
    BadFormat "misp-bad-format" false "The server cannot write the format asked for."
        "this is a fault of artif or a version of MISP it does not know: report it";
    NotDone "misp-not-done" false "It answers that all is well, and did not do it."
        "see what it says";
    Unfiltered "misp-unfiltered" false "It answers with what was not asked for."
        "something in front of it drops the body of requests; nothing was taken over";
    Unreadable "misp-unreadable" true "Its answer is cut short or none that is known."
        "the answer broke off, or this version of MISP is not known";
    RateLimited "misp-rate-limited" true "The key's role has used up its requests."
        "wait, raise the rate limit of the role, or sync less often (`refresh`)";
    Internal "misp-internal" true "An internal error of MISP."
        "see the error log of the server (app/tmp/logs)";
    Gateway "misp-gateway" true "The server in front of MISP gets no answer from it."
        "see whether PHP runs behind the web server";
    RequestTooLarge "misp-request-too-large" false "The request is too large for the server."
        "raise the size of bodies that its web server takes";
    UnexpectedStatus "misp-unexpected-status" false "An answer nobody knows."
        "see what stands between artif and MISP";
    TimedOut "misp-timed-out" true "It did not answer in time."
        "make pages smaller (`page_size`) or wait longer (`timeout`)";
    AnswerTooLarge "misp-answer-too-large" false "Its answer is larger than allowed."
        "make pages smaller (`page_size`) or raise `fetch.max_bytes`";
    Unreachable "misp-unreachable" true "No connection, or it broke off."
        "check address, name server, proxy and firewall";
    Tls "misp-tls" false "One side does not believe who the other is."
        "name the authority's certificate in `ca_file`";
    Setup "misp-setup" false "Something here is missing: key, certificate, proxy."
        "correct the server's section of the configuration";
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl Serialize for Problem {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.code())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn codes_and_advice_differ() {
        let codes: BTreeSet<_> = Problem::ALL.iter().map(|problem| problem.code()).collect();
        assert_eq!(codes.len(), Problem::ALL.len());
        assert!(codes.iter().all(|code| code.starts_with("misp-")));
        let docs = include_str!("mod.rs");
        for problem in Problem::ALL {
            assert!(docs.contains(&format!("`{problem}`")), "{problem} is not in the docs");
        }
    }
}

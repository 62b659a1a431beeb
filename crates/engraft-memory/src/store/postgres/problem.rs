//! What a server reports, as one sentence that says what helps.

use std::error::Error as _;

use postgres::{Error, error::SqlState};

use super::address::Place;

/// How long a writer waits for another one before it gives up, in seconds.
pub(super) const PATIENCE: u32 = 20;

/// What happened, in the server's words or those of the network; never with what a statement held.
pub(super) fn said(error: &Error) -> String {
    if let Some(reported) = error.as_db_error() {
        return reported.message().to_owned();
    }
    let mut said = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !said.contains(&more) {
            said = format!("{said}: {more}");
        }
        cause = error.source();
    }
    said
}

/// Whether the connection is gone, or the server is about to end it.
pub(super) fn is_loss(error: &Error) -> bool {
    let ended = [
        SqlState::ADMIN_SHUTDOWN,
        SqlState::CRASH_SHUTDOWN,
        SqlState::CANNOT_CONNECT_NOW,
    ];
    let reported = error.code().is_some_and(|code| {
        ended.contains(code) || code.code().starts_with("08") || code.code() == "57P05"
    });
    let network = error
        .source()
        .is_some_and(|cause| cause.is::<std::io::Error>());
    error.is_closed() || reported || network
}

/// Why there is no connection.
pub(super) fn connecting(place: &Place, error: &Error) -> String {
    let said = said(error);
    let Some(code) = error.code() else {
        return match said.contains("password") {
            true => format!(
                "the server wants a password from user {}; put it into PGPASSWORD or the address",
                place.user
            ),
            false => format!(
                "no server answers there ({said}); start it, or check the host and the port of the address"
            ),
        };
    };
    if *code == SqlState::INVALID_CATALOG_NAME {
        format!(
            "there is no such database; make it with CREATE DATABASE \"{}\"",
            place.database
        )
    } else if code.code().starts_with("28") {
        format!(
            "the server does not let user {} in ({said}); check the user and the password",
            place.user
        )
    } else if *code == SqlState::TOO_MANY_CONNECTIONS {
        format!("the server has no connection to spare ({said}); try again later")
    } else {
        format!("the server does not answer as one that is ready ({said}); try again later")
    }
}

/// Why a statement was not done, on a connection that still stands.
pub(super) fn using(place: &Place, error: &Error) -> String {
    let said = said(error);
    let Some(code) = error.code() else {
        return format!("cannot be used ({said}); check that it is a memory of this version");
    };
    if *code == SqlState::LOCK_NOT_AVAILABLE {
        format!(
            "another program has been using it for {PATIENCE} seconds; end that program or try again"
        )
    } else if *code == SqlState::INSUFFICIENT_PRIVILEGE {
        format!(
            "user {} may not do this ({said}); let the owner of the memory grant it",
            place.user
        )
    } else if *code == SqlState::READ_ONLY_SQL_TRANSACTION {
        "may only be read; name the server that is written to, not a copy of it".to_owned()
    } else if code.code().starts_with("53") {
        format!("the server has run out of room, nothing of it was kept ({said}); make some")
    } else if code.code().starts_with("42") {
        format!("its tables are not those of a memory ({said}); restore a copy of them")
    } else {
        format!("the server did not do it, nothing of it was kept ({said}); try again")
    }
}

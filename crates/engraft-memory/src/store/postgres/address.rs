//! Which database of which server, and how that is said without its password.

use std::{fmt, time::Duration};

use postgres::{
    Config,
    config::{Host, SslMode},
};

use crate::MemoryError;

/// How long a server may take to answer a call, and a network to deliver.
const PATIENCE: Duration = Duration::from_secs(15);

/// How a database is named in sentences: server and database, nothing that is secret.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub database: String,
    pub user: String,
    name: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Place {
    /// A problem with this database.
    pub fn at(&self, problem: impl Into<String>) -> MemoryError {
        MemoryError::Place {
            place: self.name.clone(),
            problem: problem.into(),
        }
    }
}

/// Reads an address.
pub(super) fn read(address: &str) -> Result<(Config, Place), MemoryError> {
    let mut config: Config = address.parse().map_err(|error| {
        MemoryError::Refused(format!(
            "the address of the PostgreSQL server cannot be read ({}); write it as \
             postgres://user@host:5432/database",
            super::problem::said(&error)
        ))
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host("localhost");
    }
    if config.get_password().is_none_or(<[u8]>::is_empty)
        && let Ok(password) = std::env::var("PGPASSWORD")
    {
        config.password(password);
    }
    config.connect_timeout(*config.get_connect_timeout().unwrap_or(&PATIENCE));
    config.tcp_user_timeout(*config.get_tcp_user_timeout().unwrap_or(&PATIENCE));
    if config.get_application_name().is_none() {
        config.application_name("engraft");
    }
    let place = place(&config);
    match config.get_ssl_mode() {
        SslMode::Disable | SslMode::Prefer => Ok((config, place)),
        _ => Err(place.at(
            "the address asks for encryption, which engraft does not speak; go through an encrypted \
             tunnel (such as ssh -L) and leave sslmode out",
        )),
    }
}

fn place(config: &Config) -> Place {
    let ports = config.get_ports();
    let port = |at: usize| *ports.get(at).or(ports.first()).unwrap_or(&5432);
    let hosts = config.get_hosts().iter().enumerate();
    let named = hosts.map(|(at, host)| match host {
        Host::Tcp(host) => format!("{host}:{}", port(at)),
        #[cfg(unix)]
        Host::Unix(folder) => folder.display().to_string(),
    });
    let numbered = config.get_hostaddrs().iter().enumerate();
    let numbered = numbered.map(|(at, host)| format!("{host}:{}", port(at)));
    let servers: Vec<String> = match config.get_hosts().is_empty() {
        true => numbered.collect(),
        false => named.collect(),
    };
    let user = config.get_user().unwrap_or("of this computer").to_owned();
    let database = config.get_dbname().or(config.get_user());
    let database = database.unwrap_or("of the user").to_owned();
    Place {
        name: format!("PostgreSQL at {}, database {database}", servers.join(", ")),
        database,
        user,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_names_server_and_database_and_never_the_password() {
        for (address, name) in [
            (
                "postgres://anna:hunter2@db.example:6543/team",
                "PostgreSQL at db.example:6543, database team",
            ),
            (
                "postgresql://anna:hunter2@/team?host=/run/pg",
                "PostgreSQL at /run/pg, database team",
            ),
            (
                "postgres://anna@one,two/",
                "PostgreSQL at one:5432, two:5432, database anna",
            ),
            (
                "postgres:///team",
                "PostgreSQL at localhost:5432, database team",
            ),
        ] {
            let (_, place) = read(address).unwrap();
            assert_eq!(place.to_string(), name);
            assert!(!format!("{place:?}").contains("hunter2"));
        }
    }

    #[test]
    fn an_address_that_is_none_is_refused_without_its_password() {
        for address in [
            "postgres://anna:hunter2@host:port/team",
            "postgres://anna:hunter2@host/team?colour=red",
            "postgres://anna:hunter2@host/team?sslmode=require",
        ] {
            let said = read(address).unwrap_err().to_string();
            assert!(!said.contains("hunter2"), "{said}");
            assert!(said.contains("postgres://user@host") || said.contains("tunnel"));
        }
    }
}

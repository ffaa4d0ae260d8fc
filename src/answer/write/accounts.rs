//! Who can log in: root, users, and their keys.

use super::super::hash::{self, Scheme};
use super::super::profile::{Password, User};
use super::super::quote::kickstart;
use super::{WriteError, Writer, lacks};

/// A hash that no password has (shadow(5)).
const NO_PASSWORD: &str = "!!";

impl Writer<'_> {
    pub(super) fn accounts(&mut self) -> Result<(), WriteError> {
        if self.generation <= 6 {
            self.line("authconfig --enableshadow --passalgo=sha512");
        }
        let profile = self.profile;
        match &profile.root {
            Password::Hash(hash) => {
                let hash = self.readable(hash)?;
                self.line(&format!("rootpw --iscrypted {}", kickstart(hash)));
            }
            Password::Locked if self.generation >= 7 => self.line("rootpw --lock"),
            Password::Locked => self.line(&format!("rootpw --iscrypted {NO_PASSWORD}")),
            Password::Ask => {}
            Password::Random | Password::Prompt => return unsettled("root"),
        }
        if !profile.ssh_keys.is_empty() {
            self.keys("root", &profile.ssh_keys);
        }
        for (number, user) in profile.users.iter().enumerate() {
            let name = user.name.as_str();
            if name == "root" {
                return Err(WriteError(
                    "root is a user without being named; write root's password and keys by themselves".into(),
                ));
            }
            if profile.users.iter().take(number).any(|other| other.name == user.name) {
                return Err(WriteError(format!("the user {name} is there twice")));
            }
            self.user(user)?;
        }
        Ok(())
    }

    fn user(&mut self, user: &User) -> Result<(), WriteError> {
        let name = user.name.as_str();
        let mut line = format!("user --name={}", kickstart(name));
        let admin = user.admin.then(|| "wheel".to_owned());
        let groups: Vec<String> =
            admin.into_iter().chain(user.groups.iter().map(ToString::to_string)).collect();
        if !groups.is_empty() {
            line += &format!(" --groups={}", kickstart(&groups.join(",")));
        }
        if let Some(comment) = user.comment.as_ref().filter(|_| self.generation >= 6) {
            line += &format!(" --gecos={}", kickstart(comment.as_str()));
        }
        line += &match &user.password {
            Password::Hash(hash) => format!(" --iscrypted --password={}", kickstart(self.readable(hash)?)),
            Password::Locked | Password::Ask if self.generation >= 6 => " --lock".to_owned(),
            Password::Locked | Password::Ask => format!(" --iscrypted --password={NO_PASSWORD}"),
            Password::Random | Password::Prompt => return unsettled(name),
        };
        self.line(&line);
        if !user.ssh_keys.is_empty() {
            self.keys(name, &user.ssh_keys);
        }
        Ok(())
    }

    /// A hash that the installed system reads: with another nobody could log in.
    fn readable<'h>(&self, hash: &'h str) -> Result<&'h str, WriteError> {
        if hash::scheme(hash) == Some(Scheme::Yescrypt) && !hash::reads_yescrypt(self.release) {
            return lacks(self.release, "yescrypt", "write the hash that mkpasswd -m sha512crypt prints");
        }
        Ok(hash)
    }

    /// The command takes one key for each user, and is there from EL8 on.
    fn keys(&mut self, user: &str, keys: &[super::super::profile::SshKey]) {
        match keys {
            [key] if self.generation >= 8 => {
                self.line(&format!("sshkey --username={} {}", kickstart(user), kickstart(key.as_str())));
            }
            _ => self.allow_keys(user, keys),
        }
    }
}

fn unsettled<T>(who: &str) -> Result<T, WriteError> {
    Err(WriteError(format!("the password of {who} is not made yet")))
}

//! Who runs on which core.

use crate::failure::Failure;

/// Where the servers and the generators run.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Places {
    /// Cores of the servers.
    pub servers: Vec<usize>,
    /// Cores of the generators.
    pub generator: Vec<usize>,
    /// Threads that serve.
    pub workers: usize,
    /// Threads that load.
    pub generator_threads: usize,
}

impl Places {
    /// One core for the servers, and another one for the generator.
    pub fn apart(
        allowed: &[usize],
        server: Option<usize>,
        generator: Option<usize>,
    ) -> Result<Places, Failure> {
        let free = |taken: Option<usize>| {
            let found = allowed.iter().copied().find(|core| Some(*core) != taken);
            found.ok_or_else(|| Failure::new("a comparison needs two cores, and there is only one"))
        };
        let server = server.map_or_else(|| free(generator), Ok)?;
        let generator = generator.map_or_else(|| free(Some(server)), Ok)?;
        if server == generator {
            return Err(Failure::usage(
                "the servers and the generator need different cores",
            ));
        }
        let missing = [server, generator]
            .into_iter()
            .find(|core| !allowed.contains(core));
        match missing {
            Some(core) => Err(Failure::new(format!(
                "core {core} is not available here: choose from {allowed:?} with --server-core \
                 and --generator-core"
            ))),
            None => Ok(Places {
                servers: vec![server],
                generator: vec![generator],
                workers: 1,
                generator_threads: 1,
            }),
        }
    }

    /// As many workers as there are cores for them: half of the cores, the generator having the
    /// other half; with fewer than four, both share them all.
    pub fn all(allowed: &[usize]) -> Places {
        let half = allowed.len() / 2;
        let (servers, generator) = if half >= 2 {
            allowed.split_at(half)
        } else {
            (allowed, allowed)
        };
        Places {
            workers: servers.len(),
            generator_threads: generator.len(),
            servers: servers.to_vec(),
            generator: generator.to_vec(),
        }
    }

    /// Everybody on all cores, the generator with one thread of a higher priority: it only
    /// sends and receives, and its delays would be taken for the servers'.
    pub fn together(allowed: &[usize]) -> Places {
        Places {
            servers: allowed.to_vec(),
            generator: allowed.to_vec(),
            workers: allowed.len().max(2),
            generator_threads: 0,
        }
    }

    /// In words.
    pub fn text(&self) -> String {
        let list = |cores: &[usize]| {
            let names: Vec<String> = cores.iter().map(usize::to_string).collect();
            let word = if cores.len() == 1 { "core" } else { "cores" };
            format!("{word} {}", names.join(", "))
        };
        let workers = match self.workers {
            1 => "one worker".into(),
            workers => format!("{workers} workers"),
        };
        let shared = if self.servers == self.generator {
            ", which they share"
        } else {
            ""
        };
        format!(
            "servers with {workers} on {}, generator on {}{shared}",
            list(&self.servers),
            list(&self.generator)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn servers_and_generator_get_two_cores_that_exist() {
        let chosen = |server, generator| {
            let places = Places::apart(&[2, 3], server, generator).ok()?;
            Some((places.servers[0], places.generator[0]))
        };
        assert_eq!(chosen(None, None), Some((2, 3)));
        assert_eq!(chosen(Some(3), None), Some((3, 2)));
        assert_eq!(chosen(None, Some(2)), Some((3, 2)));
        assert_eq!(chosen(Some(3), Some(3)), None);
        assert_eq!(chosen(Some(0), None), None);
        assert!(Places::apart(&[0], None, None).is_err());
    }

    #[test]
    fn all_cores_are_halved_where_both_halves_are_worth_having() {
        assert_eq!(Places::all(&[0, 1, 2, 3]).servers, [0, 1]);
        assert_eq!(Places::all(&[0, 1, 2, 3]).generator, [2, 3]);
        assert_eq!(Places::all(&[0, 1]).servers, [0, 1]);
        assert_eq!(Places::all(&[0, 1]).generator, [0, 1]);
    }
}

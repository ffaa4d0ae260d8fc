//! The name that was meant.

/// The longest name that is compared.
const MAX_LEN: usize = 64;

/// The one of `names` that `wrong` is most likely a slip of; `None` when nothing is near.
///
/// Near is a distance of a third of the letters, at most three; of names that are equally near the first in the
/// alphabet.
pub(super) fn nearest<'a>(wrong: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wrong: Vec<char> = wrong.to_lowercase().chars().take(MAX_LEN).collect();
    let limit = (wrong.len() / 3).clamp(1, 3);
    names
        .into_iter()
        .filter(|name| name.len().abs_diff(wrong.len()) <= limit)
        .filter_map(|name| distance(&wrong, name, limit).map(|distance| (distance, name)))
        .min()
        .map(|(_, name)| name)
}

/// How many letters have to be put in, taken out, replaced or swapped with their neighbour (Damerau and Levenshtein,
/// "optimal string alignment"), when that is at most `limit`.
fn distance(wrong: &[char], name: &str, limit: usize) -> Option<usize> {
    let name: Vec<char> = name.to_lowercase().chars().take(MAX_LEN).collect();
    let width = name.len() + 1;
    let (mut older, mut old): (Vec<usize>, Vec<usize>) = (vec![0; width], (0..width).collect());
    for (row, letter) in wrong.iter().enumerate() {
        let mut new = vec![row + 1; width];
        for column in 0..name.len() {
            let replace = old[column] + usize::from(*letter != name[column]);
            let mut best = replace.min(old[column + 1] + 1).min(new[column] + 1);
            let is_swap =
                row > 0 && column > 0 && *letter == name[column - 1] && wrong[row - 1] == name[column];
            if is_swap {
                best = best.min(older[column - 1] + 1);
            }
            new[column + 1] = best;
        }
        if new.iter().min().is_some_and(|least| *least > limit) {
            return None;
        }
        older = std::mem::replace(&mut old, new);
    }
    old.last().copied().filter(|distance| *distance <= limit)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_understood() {
        let names = ["httpd", "openssh-server", "vim-enhanced", "bash", "zsh"];
        for (wrong, meant) in [
            ("htpd", Some("httpd")),
            ("httdp", Some("httpd")),
            ("openssh-sever", Some("openssh-server")),
            ("BASH", Some("bash")),
            ("apache", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(wrong, names), meant, "{wrong}");
        }
    }
}

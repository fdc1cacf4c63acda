//! The library of playbooks: what is read again, and what is not.

use super::playbooks::{GOOD, defaults, names, vocabulary};
use super::shipped_words;
use rota::domain::PlaybookName;
use rota::playbook::{Changes, Library, Vocabulary, shipped};
use rota::template::Templates;
use std::sync::Arc;

#[test]
fn a_file_that_did_not_change_is_not_read_into_a_new_playbook() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let mut library = Library::new(folder.path(), defaults());
    let (a, b) = (PlaybookName::new("a"), PlaybookName::new("b"));
    write("a.toml", GOOD);
    write("b.toml", GOOD);
    library.reload(&vocabulary());
    let before = (library.get(&a).unwrap(), library.get(&b).unwrap());
    let loads = library.loads();
    for _ in 0..3 {
        // The same text once more: the file looks new, its text is not.
        write("a.toml", GOOD);
        assert!(library.reload(&vocabulary()).is_empty());
    }
    assert!(Arc::ptr_eq(&library.get(&a).unwrap(), &before.0));
    assert_eq!(library.loads(), loads);
    write("a.toml", &GOOD.replace("AI-Worker", "AI-Docs"));
    let changes = library.reload(&vocabulary());
    assert_eq!(changes, Changes { changed: names(&["a"]), ..Changes::default() });
    assert!(Arc::ptr_eq(&library.get(&b).unwrap(), &before.1));
    assert_eq!(library.loads(), loads + 1);
}

#[test]
fn an_edit_of_the_same_length_is_seen_whatever_instant_the_file_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    let mut library = Library::new(folder.path(), defaults());
    let name = PlaybookName::new("a");
    let words = Vocabulary { agents: None, ..vocabulary() };
    std::fs::write(&path, GOOD).unwrap();
    let long_ago = std::fs::metadata(&path).unwrap().modified().unwrap();
    // From the second reading on, the looks of the file speak for its text.
    for _ in 0..4 {
        library.reload(&words);
    }
    let one = "agent = \"AI-Worker\"";
    for other in ["agent = \"AI-Writer\"", "agent = \"AI-Walker\"", one] {
        std::fs::write(&path, GOOD.replace(one, other)).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(long_ago).unwrap();
        library.reload(&words);
        let agent = library.get(&name).unwrap().agent.clone();
        assert_eq!(format!("agent = \"{agent}\""), other);
    }
}

#[test]
fn a_playbook_that_names_one_that_went_or_a_template_that_changed_is_checked_again() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let mut library = Library::new(folder.path(), defaults());
    for (file, text) in shipped() {
        write(file, text);
    }
    for _ in 0..3 {
        library.reload(&shipped_words::vocabulary());
        assert!(library.faults().is_empty(), "{:?}", library.faults());
    }
    let gone = shipped().iter().find(|(file, _)| *file == "code-review.toml").unwrap();
    std::fs::remove_file(folder.path().join(gone.0)).unwrap();
    let mut words = shipped_words::vocabulary();
    words.playbooks.clear();
    let changes = library.reload(&words);
    assert_eq!(changes.faulty, names(&["ai-worker"]), "{:?}", library.faults());
    write(gone.0, gone.1);
    assert_eq!(library.reload(&words).faulty, []);
    // Without templates nothing is good any more, though no playbook was touched.
    let bare = Vocabulary { templates: Arc::new(Templates::from_texts([]).0), ..words.clone() };
    assert!(!library.reload(&bare).faulty.is_empty());
    assert_eq!(library.reload(&words).faulty, []);
}

#[test]
fn a_folder_of_more_playbooks_than_allowed_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str| std::fs::write(folder.path().join(file), GOOD).unwrap();
    let mut library = Library::new(folder.path(), defaults()).at_most(2);
    write("a.toml");
    write("b.toml");
    assert_eq!(library.reload(&vocabulary()).added.len(), 2);
    write("c.toml");
    assert!(library.reload(&vocabulary()).is_empty());
    assert_eq!(library.all().len(), 2);
    assert!(library.faults()[0].message.contains("more than 2 playbooks"));
    std::fs::remove_file(folder.path().join("c.toml")).unwrap();
    assert!(library.reload(&vocabulary()).is_empty());
    assert_eq!(library.faults(), []);
}

#[test]
fn a_reviewer_that_can_never_be_independent_is_a_fault_of_whoever_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let write = |file: &str, text: &str| std::fs::write(folder.path().join(file), text).unwrap();
    let texts: std::collections::BTreeMap<&str, &str> = shipped().iter().copied().collect();
    let (worker, reviewer) = (texts["ai-worker.toml"], texts["code-review.toml"]);
    let by = "by = \"agent:code-review\"";
    let independent = worker.replace(by, &format!("{by}\nindependent = true"));
    let mut library = Library::new(folder.path(), defaults());
    let mut words = vocabulary();
    let family = |name: &str, family: &str| (name.to_owned(), family.to_owned());
    words.families = [family("worker", "claude"), family("reviewer", "gpt")].into();
    write("ai-worker.toml", &independent);
    write("code-review.toml", reviewer);
    assert_eq!(library.reload(&words).faulty, [], "{:?}", library.faults());
    let mut same = words.clone();
    same.families = [family("worker", "claude"), family("reviewer", "claude")].into();
    let faulty = |library: &mut Library, words: &Vocabulary| {
        let faulty = library.reload(words).faulty;
        let why = library.faults().first().map(|fault| fault.message.clone()).unwrap_or_default();
        (faulty, why)
    };
    let (found, why) = faulty(&mut library, &same);
    assert_eq!(found, names(&["ai-worker"]));
    assert!(why.contains("`code-review` works with the model family `claude`, too"), "{why}");
    // Nobody asks for it, or it is not known: nothing is said before a task is there.
    write("ai-worker.toml", worker);
    assert_eq!(library.reload(&same).faulty, []);
    write("ai-worker.toml", &independent);
    let unknown = Vocabulary { families: [].into(), ..same.clone() };
    assert_eq!(library.reload(&unknown).faulty, []);
    // The reviewer alone changes: it acts as the author's user now, and asks for independence itself.
    write("ai-worker.toml", worker);
    assert_eq!(library.reload(&words).faulty, []);
    let twin = reviewer
        .replace("agent = \"AI-Reviewer\"", "agent = \"AI-Worker\"")
        .replace("# independent = true", "independent = true");
    write("code-review.toml", &twin);
    let (found, why) = faulty(&mut library, &words);
    assert_eq!(found, names(&["ai-worker"]));
    assert!(why.contains("acts as AI-Worker, too"), "{why}");
}

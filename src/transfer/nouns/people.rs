//! People, and who belongs to a project.

use super::super::noun::{Card, Key, Kind, Noun, there};
use super::super::way::{Way, needed};
use super::{all, home, no_field};
use crate::board::Result;
use crate::domain::{
    Member, MemberQuery, NewPerson, Person, PersonId, PersonKind, ProjectId, Role, Stamp,
};
use async_trait::async_trait;

/// No right above this one is given to anybody because another board says so.
const ROLE_MAX: Role = Role::Editor;

fn folded(text: &str) -> String {
    text.trim().to_lowercase()
}

/// Whether two people are one: by their address, or by their name where one has none.
fn is_same(one: &Person, other: &Person) -> bool {
    match (&one.email, &other.email) {
        (Some(one), Some(other)) => folded(one) == folded(other),
        _ => folded(&one.name) == folded(&other.name),
    }
}

#[async_trait]
impl Noun for Person {
    type Edit = ();
    const KIND: Kind = Kind::Person;

    fn key(&self) -> Key {
        (self.id.0, 0)
    }

    fn title(&self) -> String {
        self.name.clone()
    }

    /// Who somebody is, is never changed.
    fn card(&self) -> Card {
        Card::new()
    }

    fn wish(&self, field: &str, _: Option<&Self>, _: &Way) -> std::result::Result<Vec<()>, String> {
        no_field(field)
    }

    fn apply((): &(), _: &mut Self) {}

    async fn twin(&self, way: &Way) -> Result<Option<Self>> {
        let people = way.target.people().await?;
        let free = |person: &&Person| !way.links.is_taken(Kind::Person, person.key());
        Ok(people.iter().filter(free).find(|person| is_same(self, person)).cloned())
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        (!way.adds_people).then(|| not_there(self))
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        Ok(self.twin(way).await?.into_iter().collect())
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        there(way.target.person(PersonId(key.0)).await)
    }

    async fn add(&self, way: &Way, stamp: &Stamp, _: &[()]) -> Result<Self> {
        let new = NewPerson {
            name: self.name.clone(),
            email: self.email.clone(),
            kind: self.kind,
            role: self.role.min(ROLE_MAX),
        };
        Ok(way.target.add_person(stamp, new).await?.after)
    }

    async fn edit(&self, _: &Way, _: &Stamp, was: &Self, _: &[()]) -> Result<Self> {
        Ok(was.clone())
    }
}

#[async_trait]
impl Noun for Member {
    /// The role in the project.
    type Edit = Option<Role>;
    const KIND: Kind = Kind::Member;

    fn key(&self) -> Key {
        (self.project.0, self.person.0)
    }

    fn title(&self) -> String {
        format!("person {} in project {}", self.person, self.project)
    }

    fn card(&self) -> Card {
        vec![("role", self.role.map(|role| role.to_string()).into())]
    }

    fn wish(
        &self,
        _: &str,
        was: Option<&Self>,
        way: &Way,
    ) -> std::result::Result<Vec<Self::Edit>, String> {
        let role = self.role.map(|role| role.min(ROLE_MAX));
        if was.is_some_and(|was| was.role == role) {
            return Ok(Vec::new());
        }
        if !way.can.project_roles {
            return Err("a role in one project cannot be given there".to_owned());
        }
        Ok(vec![role])
    }

    fn apply(edit: &Self::Edit, to: &mut Self) {
        to.role = *edit;
    }

    async fn twin(&self, way: &Way) -> Result<Option<Self>> {
        let Some(project) = way.project(self.project) else { return Ok(None) };
        let Ok(person) = way.person(self.person) else { return Ok(None) };
        self.get(way, (project.0, person.0)).await
    }

    fn refusal(&self, way: &Way) -> Option<String> {
        way.person(self.person).err()
    }

    async fn alike(&self, way: &Way) -> Result<Vec<Self>> {
        Ok(self.twin(way).await?.into_iter().collect())
    }

    async fn get(&self, way: &Way, key: Key) -> Result<Option<Self>> {
        if key.0 < 0 || key.1 < 0 {
            return Ok(None);
        }
        let query = MemberQuery {
            projects: vec![ProjectId(key.0)],
            people: vec![PersonId(key.1)],
            ..MemberQuery::default()
        };
        let found = all(|after| {
            let query = MemberQuery { after, limit: 1_000, ..query.clone() };
            async move { way.target.members(&query).await }
        });
        Ok(found.await?.into_iter().next())
    }

    async fn add(&self, way: &Way, stamp: &Stamp, edits: &[Self::Edit]) -> Result<Self> {
        let project = home(way, self.project)?;
        let person = needed(way.person(self.person).ok(), &way.name(self.person))?;
        let mut member = Self { project, person, role: None };
        for edit in edits {
            Self::apply(edit, &mut member);
        }
        Ok(way.target.put_member(stamp, member).await?.after)
    }

    async fn edit(
        &self,
        way: &Way,
        stamp: &Stamp,
        was: &Self,
        edits: &[Self::Edit],
    ) -> Result<Self> {
        let mut member = was.clone();
        for edit in edits {
            Self::apply(edit, &mut member);
        }
        Ok(way.target.put_member(stamp, member).await?.after)
    }
}

/// Somebody who is not on the target and may not be added.
fn not_there(person: &Person) -> String {
    let what = match person.kind {
        PersonKind::Person => "nobody there has this address or name",
        PersonKind::Agent => "no agent there has this name",
    };
    format!("{what}: add them there, or use --add-people")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_people_apart_and_a_name_where_there_is_none() {
        let person = |name: &str, email: Option<&str>| Person {
            id: PersonId(1),
            name: name.into(),
            email: email.map(str::to_owned),
            kind: PersonKind::Person,
            role: Role::Editor,
        };
        let ann = person("Ann", Some("ann@example.org"));
        assert!(is_same(&ann, &person("Annie", Some(" ANN@example.org"))));
        assert!(!is_same(&ann, &person("Ann", Some("other@example.org"))));
        assert!(is_same(&ann, &person(" ann ", None)));
        assert!(!is_same(&person("A", None), &person("B", None)));
    }
}

//! Projects that list their members are theirs and the managers', by every tool of the table.

use super::goals::undo;
use super::limits::{ROLES, SECRET, call, is_of_the_daemon, snapshot, team, tried};
use crate::support::house::{House, SHOP, WEBSITE, playbook};
use rota::domain::*;
use rota::tools::{Context, ToolKind, Toolset};
use serde_json::{Value as Json, json as js};

/// Lists somebody as a member, by the tool that managers have.
async fn set(house: &House, project: ProjectId, person: &str, role: Option<&str>) {
    let ada = house.person("Ada").await;
    let mut args = js!({ "projectId": project.0, "userId": person });
    if let Some(role) = role {
        args["role"] = role.into();
    }
    call(house, &ada, "setMember", args).await.unwrap();
}

/// Bo with this role on the board.
async fn bo(house: &House, role: Role) -> Context {
    let mut who = house.person("Bo").await;
    who.principal.person.role = role;
    who
}

async fn said(house: &House, who: &Context, tool: &str, args: Json) -> String {
    let given = serde_json::from_value(args).unwrap();
    match house.tools.call(tool, given, who).await {
        Ok(result) => format!("{} {:?}", result.text, result.value),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn whoever_is_no_member_of_a_project_is_told_nothing_of_it_and_changes_nothing() {
    let (house, _, foreign) = team().await;
    set(&house, SHOP, "Ada", None).await;
    let before = snapshot(&house).await;
    let mut calls = 0;
    for tool in house.tools.definitions().filter(|tool| tool.name != "finish") {
        for role in ROLES.into_iter().filter(|role| *role < Role::Manager) {
            let who = bo(&house, role).await;
            for args in tried(tool, &foreign) {
                calls += 1;
                let said = said(&house, &who, tool.name, args.clone()).await;
                let is_told =
                    said.contains(SECRET) || said.contains("Shop") || said.contains("stock");
                assert!(!is_told, "{} {args} as {role}: {said}", tool.name);
            }
        }
        assert_eq!(snapshot(&house).await, before, "{} changed it", tool.name);
    }
    assert!(calls > 1_000, "{calls}");
}

#[tokio::test]
async fn managers_need_not_be_listed_and_a_project_that_lists_nobody_is_everybodys() {
    let (house, _, _) = team().await;
    set(&house, SHOP, "Ada", None).await;
    let task = js!({ "id": house.stranger.0 });
    for role in ROLES {
        let found = call(&house, &bo(&house, role).await, "getTicket", task.clone()).await;
        if role < Role::Manager {
            assert_eq!(found, Err(Reason::NotFound), "{role}");
        } else {
            assert!(found.unwrap().to_string().contains(SECRET), "{role}");
        }
    }
    let who = bo(&house, Role::Readonly).await;
    let own = call(&house, &who, "getTicket", js!({ "id": house.task.0 })).await;
    assert!(own.is_ok(), "{own:?}");
    // Once the last is gone, it is everybody's again.
    let ada = house.person("Ada").await;
    let out = js!({ "projectId": "Shop", "userId": "Ada" });
    call(&house, &ada, "removeMember", out.clone()).await.unwrap();
    assert!(call(&house, &who, "getTicket", task).await.is_ok());
    assert_eq!(call(&house, &ada, "removeMember", out).await, Err(Reason::NotFound));
}

#[tokio::test]
async fn a_members_role_is_the_most_that_every_tool_lets_them_do_there() {
    let house = House::build().await;
    for tool in house.tools.definitions().filter(|tool| tool.kind == ToolKind::Write) {
        // Their own days belong to no project, and a timer may be for no task.
        let is_theirs = matches!(tool.set, Toolset::Calendar | Toolset::Time);
        let is_meant = tool.role > Role::Readonly && tool.role < Role::Manager && !is_theirs;
        if is_of_the_daemon(tool) || !is_meant {
            continue;
        }
        let (house, own, _) = team().await;
        let who = bo(&house, Role::Editor).await;
        let mut refused = Vec::new();
        for member in [Some("readonly"), None] {
            for project in [WEBSITE, SHOP] {
                set(&house, project, "Bo", member).await;
            }
            let mut reasons = Vec::new();
            for args in tried(tool, &own) {
                let answered = call(&house, &who, tool.name, args).await;
                // Of many each says why it was not done.
                let is_none_of_many = |answer: &Value| answer.get("done") == Some(&Value::Int(0));
                if !answered.as_ref().is_ok_and(is_none_of_many) {
                    reasons.push(answered.err());
                }
            }
            refused.push(reasons.contains(&Some(Reason::RoleTooLow)));
            let is_done = reasons.contains(&None);
            assert!(member.is_none() || !is_done, "{}: {reasons:?}", tool.name);
        }
        assert!(!refused[1], "{} was refused to an editor", tool.name);
    }
}

#[tokio::test]
async fn a_role_in_a_project_gives_no_more_than_that_on_the_board() {
    let house = House::build().await;
    set(&house, WEBSITE, "Bo", Some("admin")).await;
    let tag = js!({ "id": house.task.0, "tag": "x" });
    let who = bo(&house, Role::Commenter).await;
    assert_eq!(call(&house, &who, "addTag", tag.clone()).await, Err(Reason::RoleTooLow));
    assert!(call(&house, &bo(&house, Role::Editor).await, "addTag", tag).await.is_ok());
}

#[tokio::test]
async fn a_token_and_membership_narrow_each_other() {
    let house = House::build().await;
    set(&house, SHOP, "Ada", None).await;
    let projects = async |who: &Context| {
        let whoever = call(&house, who, "whoami", js!({})).await.unwrap();
        let whoever = serde_json::to_value(whoever).unwrap();
        whoever["only_projects"].clone()
    };
    let who = bo(&house, Role::Editor).await;
    assert_eq!(projects(&who).await, js!([WEBSITE.0]));
    assert_eq!(projects(&who.clone().limited_to(vec![SHOP])).await, js!([]));
    assert_eq!(projects(&house.person("Ada").await).await, Json::Null);
    let none = who.limited_to(vec![SHOP]);
    let digest = call(&house, &none, "getDigest", js!({})).await;
    assert_eq!(digest, Err(Reason::InvalidArguments), "of nothing, not of all");
}

#[tokio::test]
async fn what_a_run_is_about_is_there_for_its_agent_and_other_projects_of_others_are_not() {
    let house = House::build().await;
    for project in [WEBSITE, SHOP] {
        set(&house, project, "Ada", None).await;
    }
    let agent = house.agent(playbook(&["*"])).await;
    let find = async |task: TaskId| call(&house, &agent, "getTicket", js!({ "id": task.0 })).await;
    assert!(find(house.task).await.is_ok());
    assert_eq!(find(house.stranger).await, Err(Reason::NotFound));
    // An agent that is listed with less may do less.
    set(&house, WEBSITE, "AI-Developer", Some("readonly")).await;
    let tag = js!({ "id": house.task.0, "tag": "x" });
    assert_eq!(call(&house, &agent, "addTag", tag).await, Err(Reason::RoleTooLow));
}

#[tokio::test]
async fn a_change_of_members_is_shown_and_can_be_put_back() {
    let house = House::build().await;
    let ada = house.person("Ada").await;
    let act = async |tool: &str, args: Json| {
        let given = serde_json::from_value(args).unwrap();
        house.tools.call(tool, given, &ada).await.unwrap()
    };
    let bo = js!({ "projectId": "Shop", "userId": "Bo" });
    let members = async || {
        let query = MemberQuery { projects: vec![SHOP], ..MemberQuery::default() };
        let page = house.board.below.members(&query).await.unwrap();
        page.items.into_iter().map(|member| member.role).collect::<Vec<_>>()
    };
    let mut readonly = bo.clone();
    readonly["role"] = "readonly".into();
    let made = act("setMember", bo.clone()).await;
    assert!(made.text.contains("Bo") && made.text.contains("Shop"), "{}", made.text);
    let less = act("setMember", readonly).await;
    assert_eq!(members().await, [Some(Role::Readonly)]);
    let gone = act("removeMember", bo).await;
    assert_eq!(members().await, []);
    for (result, left) in
        [(gone, vec![Some(Role::Readonly)]), (less, vec![None]), (made, Vec::new())]
    {
        undo(&house, &ada, &result.value).await;
        assert_eq!(members().await, left);
    }
}

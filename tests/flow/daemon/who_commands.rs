//! Who may tell agents what in a comment: each role, each command.

use super::comment_commands::{answer, one_attempt, say};
use super::playbooks::{BREAKS_OFF, QUICK};
use crate::support::daemon::{ADA, Life, Team, WORKER};
use rota::domain::*;
use serde_json::json;
use std::time::Duration;

/// The roles from which on a command is carried out.
const TABLE: [(&str, Role); 5] = [
    ("status", Role::Readonly),
    ("stop", Role::Readonly),
    ("approve", Role::Editor),
    ("retry", Role::Editor),
    ("release", Role::Manager),
];
const ROLES: [Role; 6] =
    [Role::Readonly, Role::Commenter, Role::Editor, Role::Manager, Role::Admin, Role::Owner];

struct Scene {
    team: Team,
    life: Life,
    task: TaskId,
    who: PersonId,
}

impl Scene {
    async fn new(role: Role, scripts: &[&str]) -> Self {
        let mut team = Team::new().await;
        team.playbook("ai-worker", &one_attempt());
        team.model("worker", scripts);
        let new = NewPerson { name: "Dana".into(), email: None, kind: PersonKind::Person, role };
        let who = team.board.below.add_person(&Stamp::by(ADA), new).await.unwrap().after.id;
        let task = team.task("Fix the login").await;
        let life = team.start().await;
        life.work().await;
        Self { team, life, task, who }
    }

    async fn say(&self, command: &str) {
        say(&self.team, &self.life, self.who, self.task, &format!("@AI-Agent {command}")).await;
    }

    async fn answer(&self) -> String {
        answer(&self.team, self.task).await.unwrap_or_default()
    }
}

/// Whether what somebody of this role says is carried out.
async fn is_done(command: &str, role: Role) -> bool {
    match command {
        "status" => {
            let scene = Scene::new(role, &[]).await;
            scene.say(command).await;
            let done = scene.answer().await.starts_with("No agent has worked at this task.");
            scene.life.stop().await;
            done
        }
        "stop" => stops(role).await,
        "approve" => {
            let scene = Scene::new(role, &[QUICK]).await;
            scene.life.run("ai-worker").await;
            scene.say(command).await;
            let done = scene.team.status(scene.task).await == "Done";
            assert!(done || scene.answer().await.contains("role"), "{}", scene.answer().await);
            scene.life.stop().await;
            done
        }
        "retry" => {
            let scene = Scene::new(role, &[BREAKS_OFF, QUICK]).await;
            scene.life.run("ai-worker").await;
            scene.say(command).await;
            let done = scene.life.runs(scene.task).await[0].reason == Some(Reason::HandedOver);
            assert!(done || scene.answer().await.contains("role"), "{}", scene.answer().await);
            scene.life.stop().await;
            done
        }
        _ => {
            let scene = Scene::new(role, &[]).await;
            let agent = scene.team.person(WORKER).await;
            scene.life.call(&agent, "claimTask", json!({ "task": scene.task.0 })).await.unwrap();
            scene.say(command).await;
            let done = scene.life.claim(scene.task).await.phase == Phase::Free;
            assert!(done || scene.answer().await.contains("role"), "{}", scene.answer().await);
            let ada = scene.team.person(ADA).await;
            let listed = scene.life.call(&ada, "listReviews", json!({})).await.unwrap();
            let is_asked_for = listed.to_string().contains("release:");
            assert_eq!(is_asked_for, role == Role::Editor, "{role}: {listed}");
            scene.life.stop().await;
            done
        }
    }
}

async fn stops(role: Role) -> bool {
    let scene = Scene::new(role, &[QUICK]).await;
    let Scene { team, life, task, who } = &scene;
    let mut gate = team.gates.stop("model");
    let told = async {
        gate.reached().await;
        tokio::time::advance(Duration::from_secs(1)).await;
        team.clock.advance(Duration::from_secs(1));
        team.say(*who, *task, "@AI-Agent stop").await;
        life.daemon.tick().await;
        gate.open();
    };
    let (report, ()) = tokio::join!(life.run("ai-worker"), told);
    scene.life.stop().await;
    report.reason == Reason::StopComment
}

#[tokio::test(start_paused = true)]
async fn each_command_is_carried_out_for_the_roles_that_may_and_refused_in_words_for_the_others() {
    for (command, least) in TABLE {
        for role in ROLES {
            assert_eq!(is_done(command, role).await, role >= least, "{command} by {role}");
        }
    }
}

//! Arguments for every tool that writes: mostly sensible, about what is there.

use super::boards::Known;
use super::dice::Dice;
use serde_json::{Map, Value as Json, json};

const TEXTS: [&str; 8] =
    ["a", "Ship it", "  blanks around ", "ünïcødé 🦀", "two\nlines", "a,b", "x'); --", ""];
const DAYS: [&str; 8] =
    ["today", "tomorrow", "+3d", "-2d", "friday", "2026-11-05", "2026-10-25", "2027-03-28"];
const MOMENTS: [&str; 8] = [
    "2026-11-03T09:30",
    "2026-11-03T10:00:00Z",
    "2026-11-04T10:00:00.123456Z",
    "2026-10-25T02:30",
    "2027-03-28T02:30",
    "+2h",
    "now",
    "today",
];
const KINDS: [&str; 3] = ["DEVELOPMENT", "TESTING", "GENERAL_BILLABLE"];
const STATUSES: [&str; 6] = ["New", "In Progress", "Done", "kind:waiting", "kind:done", "Lost"];

fn text(dice: &mut Dice) -> Json {
    dice.one_of(&TEXTS).into()
}

fn line(dice: &mut Dice) -> Json {
    if dice.once_in(12) { text(dice) } else { dice.one_of(&TEXTS[..4]).into() }
}

fn day(dice: &mut Dice) -> Json {
    dice.one_of(&DAYS).into()
}

fn moment(dice: &mut Dice) -> Json {
    if dice.once_in(3) { day(dice) } else { dice.one_of(&MOMENTS).into() }
}

fn person(dice: &mut Dice) -> Json {
    dice.one_of(&[json!("me"), json!("Bo"), json!("Ada"), json!(3), json!("Robo"), json!("Nil")])
}

fn project(dice: &mut Dice, known: &Known) -> Json {
    if dice.once_in(3) { json!("Website") } else { dice.id(&known.projects) }
}

fn or_null(dice: &mut Dice, value: Json) -> Json {
    if dice.once_in(4) { Json::Null } else { value }
}

fn number(dice: &mut Dice) -> Json {
    dice.one_of(&[json!(0), json!(1), json!(2.5), json!(13), json!(-4), json!(0.1), json!(8)])
}

/// Some of the fields of a task.
fn task_fields(dice: &mut Dice, known: &Known) -> Map<String, Json> {
    let tags = json!([dice.one_of(&["a", "b", "AI-Suitable", " A ", "c,d"]), "z"]);
    let tag = json!([dice.one_of(&["a", "B", "AI-Stop", ""])]);
    let (points, effort) = (number(dice), number(dice));
    let (hours, left) = (number(dice), number(dice));
    let values = vec![
        ("headline", line(dice)),
        ("description", text(dice)),
        ("acceptanceCriteria", text(dice)),
        ("type", dice.one_of(&["task", "story", "bug"]).into()),
        ("status", dice.one_of(&STATUSES).into()),
        ("priority", dice.one_of(&[json!(1), json!("high"), Json::Null, json!(9)])),
        ("storypoints", or_null(dice, points)),
        ("effort", or_null(dice, effort)),
        ("planHours", or_null(dice, hours)),
        ("hoursRemaining", or_null(dice, left)),
        ("tags", tags),
        ("addTags", tag.clone()),
        ("removeTags", tag),
        ("collaborators", json!([person(dice), person(dice)])),
        ("sort", dice.one_of(&[json!(-3), json!(0), json!(12)])),
        (
            "fields",
            json!({ "client": "x", dice.one_of(&["a", "b"]): dice.one_of(&[json!("1"), Json::Null]) }),
        ),
    ];
    let mut some = dice.some(values, 8);
    let tied = [
        ("editorId", person(dice)),
        ("dateToFinish", moment(dice)),
        ("editFrom", moment(dice)),
        ("editTo", moment(dice)),
        ("milestone", dice.id(&known.milestones)),
        ("sprint", dice.id(&known.sprints)),
        ("parent", dice.id(&known.tasks)),
    ];
    for (name, value) in tied {
        if dice.once_in(8) {
            some.insert(name.to_owned(), or_null(dice, value));
        }
    }
    for name in ["addDependencies", "removeDependencies"] {
        if dice.once_in(8) {
            some.insert(name.to_owned(), json!([dice.id(&known.tasks)]));
        }
    }
    some
}

/// Those of them that addTask and addSubtask take directly.
fn new_task(dice: &mut Dice, known: &Known) -> Map<String, Json> {
    let mut all = task_fields(dice, known);
    let direct =
        ["description", "tags", "editorId", "dateToFinish", "status", "editFrom", "editTo"];
    all.retain(|name, value| direct.contains(&name.as_str()) && !value.is_null());
    all.insert("headline".to_owned(), line(dice));
    all
}

fn add_task(dice: &mut Dice, known: &Known) -> Json {
    let mut all = new_task(dice, known);
    all.insert("projectId".to_owned(), project(dice, known));
    if dice.once_in(2) {
        let mut params = task_fields(dice, known);
        params.remove("headline");
        all.insert("params".to_owned(), params.into());
    }
    all.into()
}

fn edit_task(dice: &mut Dice, known: &Known, nested: bool) -> Json {
    let mut fields = task_fields(dice, known);
    if fields.is_empty() {
        fields.insert("headline".to_owned(), line(dice));
    }
    let id = dice.id(&known.tasks);
    if nested {
        let mut args = json!({ "id": id, "params": fields });
        if dice.once_in(8) {
            args["expectedRevision"] = dice.one_of(&[1, 2, 3]).into();
        }
        return args;
    }
    fields.insert("id".to_owned(), id);
    fields.into()
}

fn event(dice: &mut Dice) -> Json {
    let mut args =
        json!({ "eventTitle": line(dice), "dateFrom": moment(dice), "dateTo": moment(dice) });
    // Most of them end after they begin.
    if !dice.once_in(4) {
        args["dateTo"] = "+9w".into();
    }
    if dice.once_in(3) {
        args["allDay"] = dice.once_in(2).into();
    }
    if dice.once_in(3) {
        args["userId"] = person(dice);
    }
    args
}

fn edit_event(dice: &mut Dice, known: &Known) -> Json {
    let values = vec![
        ("eventTitle", line(dice)),
        ("dateFrom", moment(dice)),
        ("dateTo", dice.one_of(&["+9w", "+10w", "today"]).into()),
        ("allDay", dice.once_in(2).into()),
    ];
    let mut fields = dice.some(values, 2);
    fields.insert("id".to_owned(), dice.id(&known.events));
    fields.into()
}

fn milestone(dice: &mut Dice, known: &Known) -> Map<String, Json> {
    let values = vec![
        ("color", dice.one_of(&["blue", "#123456", "mauve"]).into()),
        ("editorId", person(dice)),
        ("dependentMilestone", dice.id(&known.milestones)),
    ];
    let mut fields = dice.some(values, 3);
    fields.insert("headline".to_owned(), line(dice));
    fields.insert("editFrom".to_owned(), moment(dice));
    fields.insert("editTo".to_owned(), dice.one_of(&["+9w", "2027-03-28", "-9w"]).into());
    fields
}

fn edit_milestone(dice: &mut Dice, known: &Known) -> Json {
    let depends_on = dice.id(&known.milestones);
    let answers = person(dice);
    let values = vec![
        ("headline", line(dice)),
        ("color", dice.one_of(&["red", "#abcdef"]).into()),
        ("editorId", or_null(dice, answers)),
        ("editFrom", moment(dice)),
        ("editTo", dice.one_of(&["+9w", "2027-10-31T02:30"]).into()),
        ("dependentMilestone", or_null(dice, depends_on)),
        ("done", dice.once_in(2).into()),
    ];
    json!({ "id": dice.id(&known.milestones), "params": dice.some(values, 3) })
}

fn goal(dice: &mut Dice, known: &Known, is_new: bool) -> Json {
    let (owner, milestone) = (person(dice), dice.id(&known.milestones));
    let (parent, start, end) = (dice.id(&known.goals), day(dice), day(dice));
    let loose = vec![
        ("metricType", dice.one_of(&["number", "percent", "currency", "miles"]).into()),
        ("status", dice.one_of(&["on_track", "at_risk", "missed"]).into()),
        ("ownerId", or_null(dice, owner)),
        ("milestoneId", or_null(dice, milestone)),
        ("parentId", or_null(dice, parent)),
        ("startDate", or_null(dice, start)),
        ("endDate", or_null(dice, end)),
    ];
    let mut fields = dice.some(loose, 3);
    let texts = vec![
        ("title", line(dice)),
        ("description", text(dice)),
        ("startValue", number(dice)),
        ("currentValue", number(dice)),
        ("endValue", number(dice)),
    ];
    let named = dice.some(texts, if is_new { 1 } else { 3 });
    fields.extend(named);
    if is_new {
        fields.retain(|_, value| !value.is_null());
        fields.insert("canvasId".to_owned(), dice.id(&known.goal_boards));
    } else {
        fields.insert("id".to_owned(), dice.id(&known.goals));
    }
    fields.into()
}

fn log_time(dice: &mut Dice, known: &Known) -> Json {
    let hours = [json!(1), json!(0.25), json!(-1), json!(7.1), json!(0), json!(23), json!(0.0003)];
    let mut args = json!({ "ticketId": dice.id(&known.tasks), "hours": dice.one_of(&hours),
        "date": dice.one_of(&DAYS[..3]), "kind": dice.one_of(&KINDS) });
    if dice.once_in(3) {
        args["description"] = text(dice);
    }
    if dice.once_in(3) {
        args["userId"] = person(dice);
    }
    if dice.once_in(3) {
        args["total"] = true.into();
    }
    args
}

fn edit_project(dice: &mut Dice, known: &Known) -> Map<String, Json> {
    let mut statuses = known.statuses.clone();
    match dice.below(3) {
        0 => statuses.push(json!({ "label": "Later", "kind": "waiting" })),
        1 => drop(statuses.pop()),
        _ => statuses.reverse(),
    }
    let values = vec![
        ("name", dice.one_of(&["Shop", "Site 2", "ünï", ""]).into()),
        ("details", text(dice)),
        ("state", dice.one_of(&[0, 1, 2]).into()),
        ("statuses", statuses.into()),
    ];
    dice.some(values, 2)
}

fn comment(dice: &mut Dice, known: &Known) -> Json {
    let (module, id) = match dice.below(4) {
        0 => ("project", project(dice, known)),
        1 => ("goal", dice.id(&known.goals)),
        _ => ("ticket", dice.id(&known.tasks)),
    };
    let mut args = json!({ "module": module, "entityId": id, "text": text(dice) });
    if dice.once_in(5) {
        args["status"] = dice.one_of(&["green", "red"]).into();
    }
    if dice.once_in(5) {
        args["parent"] = dice.id(&known.comments);
    }
    args
}

fn timer(dice: &mut Dice, known: &Known, starts: bool) -> Json {
    let task = dice.id(&known.tasks);
    let values = if starts {
        vec![
            ("taskId", if dice.once_in(4) { json!(0) } else { task }),
            ("type", dice.one_of(&["work", "break"]).into()),
            ("started", dice.one_of(&["now", "-2h", "2026-11-03T10:00:00.5Z", "tomorrow"]).into()),
        ]
    } else {
        vec![
            ("ticketId", if dice.once_in(4) { json!(0) } else { dice.id(&known.timed) }),
            ("kind", dice.one_of(&KINDS).into()),
            ("description", text(dice)),
            ("discard", dice.once_in(2).into()),
        ]
    };
    let mut fields = dice.some(values, 2);
    if starts {
        fields.insert("duration".to_owned(), dice.one_of(&["25m", "1h30m", "90s", "2d"]).into());
    }
    fields.into()
}

/// Up to three of something.
fn several(dice: &mut Dice, mut one: impl FnMut(&mut Dice) -> Json) -> Json {
    (0..=dice.below(3)).map(|_| one(dice)).collect::<Vec<_>>().into()
}

fn planned(dice: &mut Dice, known: &Known) -> Json {
    let mut args = json!({ "taskId": dice.id(&known.tasks), "editFrom": moment(dice) });
    match dice.below(3) {
        0 => args["editTo"] = "+9w".into(),
        1 => args["duration"] = dice.one_of(&[30, 600, 9_000]).into(),
        _ => {}
    }
    args
}

fn many(tool: &str, dice: &mut Dice, known: &Known) -> Option<Json> {
    let mut args = match tool {
        "bulkAddTasks" => json!({ "tasks": several(dice, |dice| add_task(dice, known)) }),
        "bulkEditTasks" => {
            json!({ "updates": several(dice, |dice| edit_task(dice, known, false)) })
        }
        "createSubtasksForTask" => json!({ "parentTaskId": dice.id(&known.tasks),
            "subtasks": several(dice, |dice| new_task(dice, known).into()) }),
        "addMilestonesForProject" => json!({ "projectId": project(dice, known),
            "milestones": several(dice, |dice| milestone(dice, known).into()) }),
        "bulkAddEvents" => json!({ "events": several(dice, event) }),
        "bulkEditEvents" => json!({ "updates": several(dice, |dice| edit_event(dice, known)) }),
        "bulkLogTime" => json!({ "entries": several(dice, |dice| log_time(dice, known)) }),
        "bulkScheduleTasks" => json!({ "schedules": several(dice, |dice| planned(dice, known)) }),
        "scheduleDay" => {
            let events = several(dice, |dice| json!({ "title": line(dice), "duration": 45 }));
            json!({ "date": dice.one_of(&["tomorrow", "friday"]), "events": events,
                "taskIds": [dice.id(&known.tasks)] })
        }
        "breakdownTask" => {
            let parts = several(dice, |dice| json!({ "title": line(dice), "duration": 90 }));
            json!({ "taskId": dice.id(&known.tasks), "subtasks": parts, "startDate": day(dice) })
        }
        _ => return None,
    };
    if dice.once_in(3) {
        args["atomic"] = true.into();
    }
    if dice.once_in(10) {
        args["dryRun"] = true.into();
    }
    Some(args)
}

/// Arguments of a tool; `None` for one that is not known here.
pub fn of(tool: &str, dice: &mut Dice, known: &Known) -> Option<Json> {
    let of_id = |dice: &mut Dice, ids: &[i64]| {
        let mut args = json!({ "id": dice.id(ids) });
        if dice.once_in(8) {
            args["dryRun"] = true.into();
        }
        args
    };
    Some(match tool {
        "addTask" => add_task(dice, known),
        "addSubtask" => {
            let mut all = new_task(dice, known);
            all.insert("parentTicket".to_owned(), dice.id(&known.tasks));
            all.into()
        }
        "editTask" => edit_task(dice, known, true),
        "deleteTask" => of_id(dice, &known.tasks),
        "addTag" | "removeTag" => json!({ "id": dice.id(&known.tasks),
            "tag": dice.one_of(&["a", "Z", "AI-Suitable", " b ", ""]) }),
        "addDependency" | "removeDependency" => {
            json!({ "id": dice.id(&known.tasks), "dependsOn": dice.id(&known.tasks) })
        }
        "scheduleTaskOnCalendar" => json!({ "id": dice.id(&known.tasks),
            "editFrom": moment(dice), "editTo": "+9w" }),
        "addComment" => comment(dice, known),
        "deleteComment" => of_id(dice, &known.comments),
        "editComment" => json!({ "id": dice.id(&known.comments), "text": text(dice) }),
        "addProjectStatusUpdate" => json!({ "projectId": project(dice, known),
            "text": text(dice), "status": dice.one_of(&["green", "yellow", "red", "blue"]) }),
        "addProject" => json!({ "name": line(dice), "details": text(dice) }),
        "editProject" => {
            let mut all = edit_project(dice, known);
            all.insert("id".to_owned(), project(dice, known));
            all.into()
        }
        "patchProject" => {
            json!({ "id": project(dice, known), "params": edit_project(dice, known) })
        }
        "addPerson" => json!({ "name": line(dice),
            "role": dice.one_of(&["editor", "owner", "king"]) }),
        "addMilestone" => {
            let mut all = milestone(dice, known);
            all.insert("projectId".to_owned(), project(dice, known));
            all.into()
        }
        "editMilestone" => edit_milestone(dice, known),
        "addSprint" => json!({ "projectId": project(dice, known), "name": line(dice),
            "startDate": day(dice), "endDate": dice.one_of(&["+9w", "2027-04-01", "-9w"]) }),
        "deleteSprint" => of_id(dice, &known.sprints),
        "setMember" => {
            let role = dice.one_of(&[json!("readonly"), json!("Owner"), json!("king"), Json::Null]);
            json!({ "projectId": project(dice, known), "userId": person(dice), "role": role })
        }
        "removeMember" => json!({ "projectId": project(dice, known), "userId": person(dice) }),
        "createGoalboard" => json!({ "projectId": project(dice, known), "title": line(dice),
            "description": text(dice) }),
        "deleteGoalboard" => of_id(dice, &known.goal_boards),
        "createGoal" => goal(dice, known, true),
        "editGoal" => goal(dice, known, false),
        "deleteGoal" => of_id(dice, &known.goals),
        "addEvent" => event(dice),
        "editEvent" => edit_event(dice, known),
        "deleteEvent" => of_id(dice, &known.events),
        "logTime" => log_time(dice, known),
        "startTimer" => timer(dice, known, true),
        "stopTimer" => timer(dice, known, false),
        _ => return many(tool, dice, known),
    })
}

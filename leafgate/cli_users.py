"""The subcommands of `leafgate users`: who may use the API, what for, and how often."""

from typing import Annotated

import typer

from leafgate.cli_options import database_open, say, settings
from leafgate.errors import UserError

users_app = typer.Typer(help="Who may use the API.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="the name to sign in with")]
Scopes = Annotated[
    list[str],
    typer.Option("--scope", help="predict, generate, feedback or admin; may be repeated"),
]
Plan = Annotated[str, typer.Option(help="standard, plus, or one of LEAFGATE_PLANS")]
PlanName = Annotated[str, typer.Argument(help="standard, plus, or one of LEAFGATE_PLANS")]
Password = Annotated[
    str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, envvar="PASSWORD")
]


@users_app.command("add")
def users_add(name: Name, scope: Scopes, password: Password, plan: Plan = "standard") -> None:
    """Add a user of the API; asks for the password (at least 8 characters)."""
    from serving import hash_password, require_good_password
    from sql import add_user

    require_good_password(password)
    _require_plan(plan)
    with database_open() as database:
        user = add_user(database, name, hash_password(password), scope, plan)
    say(f"user {user.name} may: {', '.join(sorted(user.scopes))} (plan {user.plan})")


@users_app.command("list")
def users_list() -> None:
    """List users with their scopes, plan and state."""
    from sql import list_users

    with database_open() as database:
        for user in list_users(database):
            state = "disabled" if user.disabled else "enabled"
            say("\t".join((user.name, ",".join(sorted(user.scopes)), user.plan, state)))


@users_app.command("disable")
def users_disable(name: Name) -> None:
    """Keep a user out: no sign-in, and the tokens they hold are refused."""
    from sql import set_disabled

    with database_open() as database:
        set_disabled(database, name, True)
    say(f"user {name} is disabled; {_within()}")


@users_app.command("enable")
def users_enable(name: Name) -> None:
    """Let a disabled user in again."""
    from sql import set_disabled

    with database_open() as database:
        set_disabled(database, name, False)
    say(f"user {name} is enabled")


@users_app.command("delete")
def users_delete(
    name: Name,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask for confirmation")] = False,
) -> None:
    """Delete a user: no sign-in, and the tokens they hold are refused for good.

    The name may be given to somebody else later; old tokens stay refused then.
    """
    from leafgate.audit import this_person
    from sql import delete_user, find_user

    with database_open() as database:
        if not yes and find_user(database, name) is not None:
            typer.confirm(f"Delete the user {name}?", abort=True)
        delete_user(database, name, this_person())
    say(f"user {name} is deleted; their tokens: {_within()}")
    say(
        "What the log holds under this name stays: requests, corrections and hourly counts, until "
        "`leafgate db prune` deletes them (--with-counts: the counts too), and the audit trail for "
        "good. With LEAFGATE_LOG_IDENTITIES=pseudonyms the log names nobody; `leafgate users "
        "pseudonym NAME` finds such rows."
    )


@users_app.command("password")
def users_password(name: Name, password: Password) -> None:
    """Set another password; the tokens bought with the old one are refused."""
    from serving import hash_password, require_good_password
    from sql import set_password

    require_good_password(password)
    with database_open() as database:
        set_password(database, name, hash_password(password))
    say(f"user {name} has a new password; old tokens: {_within()}")


@users_app.command("scopes")
def users_scopes(name: Name, scope: Scopes) -> None:
    """Set what a user may do; the tokens with the old scopes are refused."""
    from sql import set_scopes

    with database_open() as database:
        scopes = set_scopes(database, name, scope)
    say(f"user {name} may: {', '.join(sorted(scopes))}; old tokens: {_within()}")


@users_app.command("plan")
def users_plan(name: Name, plan: PlanName) -> None:
    """Set how often a user may ask, from their next sign-in on."""
    from sql import set_plan

    _require_plan(plan)
    with database_open() as database:
        set_plan(database, name, plan)
    say(f"user {name} has the plan {plan} from the next sign-in on")


@users_app.command("revoke")
def users_revoke(
    name: Annotated[str | None, typer.Argument(help="all tokens of this user until now")] = None,
    token: Annotated[str | None, typer.Option(help="this one token")] = None,
) -> None:
    """Refuse all tokens that a user has been given until now, or one token."""
    from leafgate.audit import this_person
    from serving import token_id_of
    from sql import revoke_token, revoke_tokens_of

    if (name is None) == (token is None):
        raise UserError("revoke needs a NAME or --token", "give one of the two")
    with database_open() as database:
        if name is not None:
            revoke_tokens_of(database, name)
        elif token is not None:
            revoke_token(database, *token_id_of(token), this_person())
    say(f"revoked; {_within()}")


@users_app.command("pseudonym")
def users_pseudonym(name: Name) -> None:
    """Print what stands for a user in the log where LEAFGATE_LOG_IDENTITIES is pseudonyms.

    Needs the key that the service makes them with; the user need not exist (any more).
    """
    from leafgate.pseudonyms import find_identity_key, pseudonym

    key = find_identity_key(settings())
    if key is None:
        raise UserError(
            "there is no key to make pseudonyms with",
            "set LEAFGATE_LOG_IDENTITY_KEY, or LEAFGATE_VAR_DIR to the service's own, as it has it",
            code="no_identity_key",
        )
    say(pseudonym(key, "user", name))


def _within() -> str:
    return f"refused within {settings().revocation_poll_seconds:g} s by every running API"


def _require_plan(plan: str) -> None:
    from serving import plans_of

    plans_of(settings()).require(plan)

from seekloop.system.progress import Silent


def test_silent_progress_prints_nothing(capsys):
    progress = Silent()
    with progress.task("train", total=3) as task:
        task.advance()
        task.note("loss 2.1")
    progress.say("done")
    assert capsys.readouterr() == ("", "")

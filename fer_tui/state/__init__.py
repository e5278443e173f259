"""The state that the screens render: the runs, the polling thread, the state kept between sessions. No widgets."""

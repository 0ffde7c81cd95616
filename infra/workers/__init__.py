"""Locked processes in which untrusted input is read (docs/decisions/0027).

operations    what workers can be asked: functions with a name and the types of question and answer
frames        how question and answer stand in the pipe; an answer is outside input
fork_server   the asking side: a fresh process that workers are forked from, and one worker
inside        what runs in that process and in its workers
lockdown      what a worker gives up before it reads anything; seccomp has the filter for it
"""

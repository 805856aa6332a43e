//! Turn a job file into a program that every machine runs alike.

-- AlterTable
ALTER TABLE "Client" ADD COLUMN     "assertionProfile" TEXT NOT NULL DEFAULT 'strict';

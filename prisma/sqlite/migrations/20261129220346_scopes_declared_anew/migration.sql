-- AlterTable
ALTER TABLE "Scope" ADD COLUMN "reference" TEXT;

-- CreateTable
CREATE TABLE "RetiredScope" (
    "resourceId" TEXT NOT NULL,
    "name" TEXT NOT NULL,
    "keyOnly" BOOLEAN NOT NULL,
    "reference" TEXT,

    PRIMARY KEY ("resourceId", "name"),
    CONSTRAINT "RetiredScope_resourceId_fkey" FOREIGN KEY ("resourceId") REFERENCES "Resource" ("id") ON DELETE CASCADE ON UPDATE CASCADE
);
